import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { canonicalJson } from '../json.ts';
import { resolve } from '../resolve.ts';
import type { RDbCluster, RDbClusterSpec } from '../resource.ts';
import { defaultSpec } from '../testing/world.ts';
import { buildTemplate } from './template.ts';

function clusterOf(spec: Partial<RDbClusterSpec> = {}): RDbCluster {
  return {
    apiVersion: 'rdb.dev/v1alpha1',
    kind: 'RDbCluster',
    metadata: { name: 'demo', namespace: 'default', uid: 'uid-1', generation: 1 },
    spec: { ...defaultSpec, ...spec },
  };
}

function templateOf(spec: Partial<RDbClusterSpec> = {}, image = 'rdb.dev/r-db:0.1.0') {
  const cluster = clusterOf(spec);
  return buildTemplate(cluster, resolve(cluster), image);
}

describe('the pod template', () => {
  // If one of these changes, an upgrade of the operator replaces every pod of every cluster, and with
  // one copy a replaced pod loses its data. Change what is sent only with a way to keep old clusters.
  it('has the same bytes from release to release', () => {
    const golden = readFileSync(join(import.meta.dirname, 'template.golden.json'), 'utf8');
    const { plain, everything: full } = JSON.parse(golden) as Record<string, unknown>;
    expect(templateOf().spec).to.deep.equal(plain);
    expect(templateOf(everything).spec).to.deep.equal(full);
    expect(templateOf().hash).to.equal('b5ba9494649a');
    expect(templateOf(everything).hash).to.equal('2e8c8b63ef8f');
  });

  it('is not changed by labels, annotations, or the spelling of a quantity', () => {
    const { hash } = templateOf();
    expect(
      templateOf({ podMetadata: { labels: { a: 'b' }, annotations: { c: 'd' } } }).hash,
    ).to.equal(hash);
    const resources = { requests: { cpu: 0.25, memory: '1024Mi' }, limits: { memory: '1024Mi' } };
    expect(templateOf({ resources }).hash).to.equal(hash);
    expect(
      templateOf({ failover: { promiseMilliseconds: 9000, totalLoss: 'Hold' } }).hash,
    ).to.equal(hash);
  });

  it('is changed by what a pod must be made anew for', () => {
    const changes: readonly Partial<RDbClusterSpec>[] = [
      { threads: 2 },
      { image: 'other:1' },
      { terminationGracePeriodSeconds: 60 },
      { resources: { limits: { memory: '2Gi' } } },
      { scheduling: { nodeSelector: { disk: 'fast' } } },
      { memory: { budgetPercent: 50, whenFull: 'Refuse' } },
    ];
    const hashes = changes.map(
      (change) => templateOf(change, change.image ?? 'rdb.dev/r-db:0.1.0').hash,
    );
    expect(new Set([templateOf().hash, ...hashes]).size).to.equal(changes.length + 1);
  });

  it('keeps to the restricted pod security standard and mounts nothing that can be written', () => {
    const text = canonicalJson(templateOf(everything).spec);
    expect(text).to.contain('"runAsNonRoot":true');
    expect(text).to.contain('"seccompProfile":{"type":"RuntimeDefault"}');
    expect(text).to.contain('"capabilities":{"drop":["ALL"]}');
    expect(text).to.contain('"readOnlyRootFilesystem":true');
    expect(text).to.contain('"allowPrivilegeEscalation":false');
    expect(text).not.to.contain('emptyDir');
    expect(text).to.contain('"enableServiceLinks":false');
  });

  it('gives a constraint without a selector the pods of the cluster', () => {
    const constraint = { maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' };
    const { spec } = templateOf({ scheduling: { topologySpreadConstraints: [constraint] } });
    expect(canonicalJson(spec['topologySpreadConstraints'])).to.contain(
      '"app.kubernetes.io/instance":"demo"',
    );
  });
});

const everything: Partial<RDbClusterSpec> = {
  nodes: 5,
  shards: 128,
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [{ name: 'pull' }],
  resources: { requests: { cpu: 2, memory: '4Gi' }, limits: { cpu: '4', memory: '4Gi' } },
  failover: { promiseMilliseconds: 2000, totalLoss: 'Hold' },
  scheduling: {
    affinity: { podAntiAffinity: {} },
    nodeSelector: { disk: 'fast' },
    tolerations: [{ operator: 'Exists' }],
    priorityClassName: 'high',
  },
  podMetadata: { labels: { team: 'a' } },
  podSecurityContext: { runAsUser: 1000, fsGroup: 1000 },
};
