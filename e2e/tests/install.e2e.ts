/** What a user does first: install the operator, apply a cluster, look at it. */
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { demo, nodePods, readyWithinSeconds, requireDemo } from '../support/demo.ts';
import { type Condition, getItems, getJson, helm, kubectl } from '../support/kubectl.ts';
import { operatorNamespace, operatorPods, release } from '../support/operator.ts';

interface Lease {
  readonly metadata: {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly { readonly uid: string }[];
  };
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
}

const inDemo = ['-n', demo.namespace] as const;
const ofDemo = [...inDemo, '-l', `rdb.dev/cluster=${demo.name}`] as const;

describe('a cluster from the chart and one object', () => {
  let seconds: number;
  let shards: number;
  before(async () => {
    seconds = await requireDemo();
    shards = Number(
      await kubectl('get', 'rdb', demo.name, ...inDemo, '-o', 'jsonpath={.spec.shards}'),
    );
  });

  it(`is Ready within ${readyWithinSeconds} s`, () => {
    process.stdout.write(`      (Ready after ${seconds.toFixed(1)} s)\n`);
    expect(seconds).to.be.below(readyWithinSeconds);
  });

  it('comes with notes on what to do next', async () => {
    const notes = await helm('get', 'notes', release, '-n', operatorNamespace);
    expect(notes).to.match(/kubectl apply/);
    expect(await operatorPods()).not.to.deep.equal([]);
  });

  it('shows itself in columns', async () => {
    const [head, row] = (await kubectl('get', 'rdb', ...inDemo)).trim().split('\n');
    expect(head?.split(/\s+/)).to.deep.equal(['NAME', 'NODES', 'READY', 'SHARDS', 'STATUS', 'AGE']);
    expect(row).to.match(new RegExp(`^demo +3 +3 +${shards}/${shards} +Ready +\\d+[smh]`));
    const wide = (await kubectl('get', 'rdb', ...inDemo, '-o', 'wide')).split('\n')[0];
    expect(wide).to.match(/KEYS +MEMORY +(MOVES +)?VERSION/);
  });

  it('tells its story: conditions and Events', async () => {
    const { status, metadata } = await getJson<{
      status: { conditions: Condition[]; observedGeneration: number; readyNodes: number };
      metadata: { generation: number };
    }>('rdb', demo.name, ...inDemo);
    const said = Object.fromEntries(status.conditions.map((each) => [each.type, each.status]));
    expect(said).to.include({ Ready: 'True', Available: 'True', InSync: 'True' });
    expect(said).to.include({
      Degraded: 'False',
      Progressing: 'False',
      ConfigurationValid: 'True',
    });
    expect(status.observedGeneration).to.equal(metadata.generation);
    expect(status.readyNodes).to.equal(3);
    const text = await kubectl('describe', 'rdb', demo.name, ...inDemo);
    expect(text).to.match(/Events:.*Available/s);
  });

  it('has Leases that name every leader', async () => {
    const nodes = await getItems<Lease>('leases', ...ofDemo, '-l', 'rdb.dev/kind=Node');
    const names = nodes.map(({ metadata }) => metadata.name).sort();
    expect(names).to.deep.equal([0, 1, 2].map((ordinal) => `demo-node-${ordinal}`));
    const incarnations = nodes.map(({ spec }) => spec.holderIdentity);
    const all = await getItems<Lease>('leases', ...ofDemo, '-l', 'rdb.dev/kind=Shard');
    expect(all.length).to.equal(shards);
    const led = new Map<string, number>();
    for (const { metadata, spec } of all) {
      const holder = spec.holderIdentity ?? '';
      expect(incarnations, metadata.name).to.include(holder);
      const inSync = metadata.annotations['rdb.dev/in-sync']?.split(',') ?? [];
      expect(inSync, metadata.name).to.have.members(incarnations as string[]);
      const assignment = metadata.annotations['rdb.dev/assignment']?.split(',') ?? [];
      expect(assignment, metadata.name).to.have.members(['demo-0', 'demo-1', 'demo-2']);
      expect(metadata.annotations['rdb.dev/generation']).to.equal('1');
      expect(spec.leaseTransitions).to.be.at.least(1);
      const [first = ''] = assignment;
      led.set(first, (led.get(first) ?? 0) + 1);
    }
    // Spread evenly: no node is to lead more than one shard above another.
    expect(led.size).to.equal(3);
    expect(Math.max(...led.values()) - Math.min(...led.values())).to.be.at.most(1);
  });

  it('has its nodes in three zones', async () => {
    const zones = await getItems<Lease>('leases', ...ofDemo, '-l', 'rdb.dev/kind=Node');
    const pods = await nodePods(demo.namespace, demo.name);
    expect(pods.length).to.equal(3);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).to.equal(3);
    const told = zones.map(({ metadata }) => metadata.annotations['rdb.dev/zone']);
    expect(new Set(told).size).to.equal(3);
  });

  it('owns all that was made for it, by its UID', async () => {
    const uid = await kubectl('get', 'rdb', demo.name, ...inDemo, '-o', 'jsonpath={.metadata.uid}');
    const kinds = 'statefulset,service,configmap,serviceaccount,role,rolebinding,pdb,lease';
    const owned = await getItems<Lease>(kinds, ...ofDemo);
    expect(owned.length).to.equal(3 + shards + 8);
    for (const { metadata } of owned) {
      expect(
        metadata.ownerReferences.map((each) => each.uid),
        metadata.name,
      ).to.include(uid);
    }
  });

  it('is found by kubectl explain', async () => {
    const text = await kubectl('explain', 'rdb.spec.failover.totalLoss');
    expect(text).to.match(/every copy of a shard is gone/);
  });
});
