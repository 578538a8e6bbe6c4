import { settings } from '@r-db/node/config/schema.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { resolve } from '../resolve.ts';
import { asCluster } from '../resource.ts';
import { defaultSpec } from '../testing/world.ts';
import { settingFiles } from './config.ts';
import { buildTemplate } from './template.ts';

/** What the operator hands to a node is what the node takes: an unknown setting stops its start. */
describe('the settings that pods are given', () => {
  const byName = new Map(
    Object.values(settings).map((setting) => [setting.name as string, setting]),
  );
  const cluster = asCluster({
    apiVersion: 'rdb.dev/v1alpha1',
    kind: 'RDbCluster',
    metadata: { name: 'demo', namespace: 'default', uid: 'uid-1', generation: 1 },
    spec: { ...defaultSpec } as never,
  });
  const { spec } = buildTemplate(cluster, resolve(cluster), 'image');
  const [container] = spec['containers'] as unknown as {
    env: { name: string; value?: string }[];
  }[];
  const env = container?.env ?? [];

  it('are known to nodes, with values that they accept', () => {
    expect(env).to.have.length.above(15);
    for (const { name, value } of env) {
      const setting = byName.get(name);
      expect(setting, name).not.to.equal(undefined);
      if (value === undefined || value.includes('$(')) continue;
      expect(setting?.parse(value), name).to.have.property('value');
    }
  });

  it('leave out nothing that nodes need', () => {
    const needed = [...byName.values()].filter(({ required }) => required).map(({ name }) => name);
    expect(env.map(({ name }) => name)).to.include.members(needed as string[]);
  });

  it('are files only where nodes reload them', () => {
    for (const [name, value] of Object.entries(settingFiles(cluster.spec, resolve(cluster)))) {
      expect(byName.get(name)?.reloadable, name).to.equal(true);
      expect(byName.get(name)?.parse(value), name).to.have.property('value');
    }
  });
});
