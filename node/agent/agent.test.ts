import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import type { LeaseStore } from '@r-db/leases/store.ts';
import { parseShardLease } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { makeLeases } from '../dev/leases.ts';
import type { Serving } from '../engine/types.ts';
import { startShardHost } from '../replication/start.ts';
import { stillEngine } from '../replication/testing/still-engine.ts';
import { Agent } from './agent.ts';
import { CLUSTER_ID, identityOf, TestLog } from './testing/support.ts';
import type { NodeIdentity, Topology } from './types.ts';

const SHARDS = 6;

/** A node without its server: agent, host, an engine that only remembers. */
class TestNode implements AsyncDisposable {
  readonly identity: NodeIdentity;
  readonly agent: Agent;
  readonly log = new TestLog();
  readonly serving = new Map<number, Serving>();
  readonly requests: string[] = [];
  readonly #host: AsyncDisposable;

  constructor(server: MemoryLeases, identity: NodeIdentity, totalLoss: 'Reset' | 'Hold' = 'Reset') {
    this.identity = identity;
    let shared: LeaseStore | undefined;
    this.agent = new Agent({
      identity,
      shards: SHARDS,
      store: server.client(identity.node),
      scheduler: realScheduler,
      wallMs: () => Date.now(),
      random: () => 0.5,
      log: this.log,
      serveLeases: (_, store) => {
        shared = store;
        return { [Symbol.dispose]: () => {} };
      },
      onRequest: ({ verb, code }) => this.requests.push(`${verb} ${code}`),
    });
    const link = this.agent.link();
    if (shared === undefined) throw new Error('the link was not served');
    this.#host = startShardHost({
      link,
      identity,
      shards: SHARDS,
      hashSeed: '0123456789abcdef',
      totalLoss,
      replication: { minInSync: 1, promiseMs: 1_000 },
      engine: stillEngine({ publish: (shard, serving) => this.serving.set(shard, serving) }),
      store: shared,
      scheduler: realScheduler,
      wallMs: () => Date.now(),
      seed: identity.ordinal,
      onResolved: () => {},
      onAbandoned: () => {},
      onRefused: () => {},
      shardTime: { nowMs: () => 0, heard: () => {}, adjust: () => {} },
      onPeers: () => {},
      listen: async () => {},
    });
    this.agent.start();
  }

  get leads(): number[] {
    return [...this.serving].flatMap(([shard, { role }]) => (role === 'leader' ? [shard] : []));
  }

  /** Resolves with the first topology for which `test` holds. */
  async topology(test: (topology: Topology) => boolean): Promise<Topology> {
    const now = this.agent.current();
    if (now !== undefined && test(now)) return now;
    return await new Promise((resolve) => {
      const end = this.agent.subscribe(() => {
        const topology = this.agent.current();
        if (topology === undefined || !test(topology)) return;
        end();
        resolve(topology);
      });
    });
  }

  /** As a process that is killed: nothing is released. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
    await this.agent[Symbol.asyncDispose]();
  }
}

const allLed = ({ shards, nodes }: Topology): boolean =>
  shards.every(({ leader }) => leader !== undefined) &&
  nodes.every(({ addresses }) => addresses !== undefined);

describe('agent', () => {
  let server: MemoryLeases;
  let nodes: TestNode[];
  beforeEach(() => {
    server = new MemoryLeases({ scheduler: realScheduler });
    nodes = [];
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  });

  const shape = (count: number) => ({
    cluster: 'demo',
    clusterId: CLUSTER_ID,
    nodes: count,
    shards: SHARDS,
  });
  const make = (count: number) => makeLeases(server.client('operator'), shape(count));
  const start = (identity: NodeIdentity, totalLoss?: 'Reset' | 'Hold'): TestNode => {
    const node = new TestNode(server, identity, totalLoss);
    nodes.push(node);
    return node;
  };
  const content = (shard: number) => {
    const lease = server.objects.get(`demo-shard-${shard}`);
    const parsed = lease === undefined ? undefined : parseShardLease(lease);
    if (!parsed?.ok) throw new Error(`shard ${shard} has no readable Lease`);
    return parsed.content;
  };

  it('takes the shards assigned to its node, and tells where the others are', async () => {
    await make(3);
    const all = [0, 1, 2].map((ordinal) => start(identityOf(ordinal)));
    const topologies = await Promise.all(all.map((node) => node.topology(allLed)));
    expect(all.map(({ leads }) => leads.sort())).to.deep.equal([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    for (const topology of topologies) {
      expect(topology.nodes.map(({ name }) => name)).to.deep.equal(['demo-0', 'demo-1', 'demo-2']);
      expect(topology.shards.map(({ leader }) => leader)).to.deep.equal([
        'demo-0',
        'demo-0',
        'demo-1',
        'demo-1',
        'demo-2',
        'demo-2',
      ]);
      expect(topology.nodes[1]?.addresses?.resp).to.deep.equal({ host: '127.0.0.1', port: 6380 });
    }
    for (const { agent } of all)
      expect(agent.readiness()).to.deep.equal({ ready: true, reasons: [] });
    const [first] = all;
    expect(first?.agent.statistics().shards[0]).to.deep.equal({
      shard: 0,
      leading: true,
      epoch: 1,
      generation: 1,
      inSyncReplicas: 1,
    });
    expect(first?.requests.filter((request) => request === 'update OK')).to.have.length(3);
    const replicas = await first?.agent.replicas();
    expect(replicas?.map(({ shard, leading }) => (leading ? shard : '-')).join('')).to.equal(
      '01----',
    );
    expect(replicas?.[0]).to.deep.include({ epoch: 1, generation: 1, inSync: content(0).inSync });
    expect(replicas?.[5]).to.deep.include({ epoch: 1, generation: 0, inSync: content(5).inSync });
  });

  it('is not ready without its node’s Lease, and says what it waits for', async () => {
    const node = start(identityOf(0));
    await node.log.has('does not exist yet');
    expect(node.agent.readiness()).to.deep.equal({
      ready: false,
      reasons: ['Lease demo-node-0 does not exist yet: the operator makes it'],
    });
    expect(node.leads).to.deep.equal([]);
    await make(1);
    await node.topology(allLed);
    expect(node.agent.readiness().ready).to.equal(true);
  });

  it('starts the next generation, empty, after a restart of the container', async () => {
    await make(2);
    const first = start(identityOf(0));
    const other = start(identityOf(1));
    await other.topology(allLed);
    await first[Symbol.asyncDispose]();
    const second = start(identityOf(0, 2));
    await other.topology(({ shards }) =>
      shards.slice(0, 3).every(({ generation }) => generation === 2),
    );
    await second.log.has('total loss: the shard starts again, empty', 3);
    expect(second.leads.sort()).to.deep.equal([0, 1, 2]);
    expect(content(0)).to.deep.include({ epoch: 2, generation: 2 });
    expect(content(0).lastFailover).to.deep.include({
      node: 'demo-0',
      cause: 'ContainerRestarted',
    });
    expect(content(3)).to.deep.include({ epoch: 1, generation: 1 });
    expect(second.agent.statistics().totalLosses).to.deep.equal({ reset: 3, held: 0 });
    expect(second.agent.statistics().failovers.get('Restart')).to.equal(3);
  });

  it('waits for a person under Hold, ready but not leading', async () => {
    await make(1);
    const first = start(identityOf(0), 'Hold');
    await first.topology(allLed);
    await first[Symbol.asyncDispose]();
    const second = start(identityOf(0, 2), 'Hold');
    await second.log.has('total loss: the shard waits until its loss is accepted');
    await second.topology(allLed);
    expect(second.leads).to.deep.equal([]);
    expect(content(0)).to.deep.include({ epoch: 1, generation: 1 });
    expect(second.agent.readiness().ready).to.equal(true);
  });

  it('claims nothing that another pod of its name held', async () => {
    await make(1);
    const first = start(identityOf(0, 1, 'pod-old'));
    await first.topology(allLed);
    const second = start(identityOf(0, 2, 'pod-new'));
    await second.topology(allLed);
    expect(second.agent.readiness().reasons).to.deep.equal([
      'not in sync for 6 shards (0, 1, 2, 3, 4, ...)',
    ]);
    expect(second.leads).to.deep.equal([]);
    expect(first.leads).to.have.length(SHARDS);
  });

  it('gives its shards up on shutdown, free for whoever is assigned next', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    expect(await node.agent.shutdown(5_000)).to.equal(true);
    expect(node.leads).to.deep.equal([]);
    expect(node.agent.readiness()).to.deep.equal({ ready: false, reasons: ['shutting down'] });
    expect(content(5)).to.deep.include({ epoch: 1, generation: 2, leader: undefined, inSync: [] });
  });

  it('ends within its grace though the store is away, and serves until then', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    server.setOutage('frozen');
    expect(await node.agent.shutdown(50)).to.equal(false);
    expect(node.leads).to.have.length(SHARDS);
  });

  it('ends at once when its cluster is deleted and its rights are gone', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    server.setFault(() => ({ code: 403 }));
    expect(await node.agent.shutdown(3_600_000)).to.equal(true);
    expect(content(5)).to.deep.include({ epoch: 1, generation: 1 });
  });

  it('ends at once when its cluster is deleted and the Leases are gone', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    const operator = server.client('operator');
    for (const { name, uid } of await operator.list({})) await operator.delete(name, uid);
    expect(await node.agent.shutdown(3_600_000)).to.equal(true);
  });

  it('still gives its shards up on shutdown where the store is only busy', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    let refusals = 3 * SHARDS;
    server.setFault(({ verb }) =>
      verb === 'update' && refusals-- > 0 ? { code: refusals % 2 === 0 ? 429 : 500 } : undefined,
    );
    expect(await node.agent.shutdown(60_000)).to.equal(true);
    expect(content(0)).to.deep.include({ epoch: 1, generation: 2, leader: undefined, inSync: [] });
  });

  it('ignores Leases of others and nonsense, and counts them', async () => {
    const operator = server.client('operator');
    await makeLeases(operator, { ...shape(1), shards: 5 });
    await makeLeases(operator, { ...shape(0), clusterId: 'another', shards: 0 });
    const sound = server.objects.get('demo-shard-4');
    if (sound === undefined) throw new Error('unreachable');
    const nonsense = { 'rdb.dev/in-sync': 'demo-0/not-hexadecimal' };
    await operator.update(sound, { annotations: nonsense });
    await operator.create({
      name: 'demo-shard-5',
      labels: sound.labels,
      annotations: sound.annotations,
      spec: {},
      ownerReferences: [{ kind: 'RDbCluster', name: 'demo', uid: 'another-cluster' }],
    });
    const node = start(identityOf(0));
    await node.topology(({ shards }) => shards.slice(0, 4).every(({ leader }) => leader));
    expect(node.leads.sort()).to.deep.equal([0, 1, 2, 3]);
    expect(node.agent.statistics().leasesIgnored).to.be.at.least(2);
    const told = node.log.lines.filter((line) => line.startsWith('error Lease ignored')).join('\n');
    expect(told).to.contain('annotation rdb.dev/in-sync');
    expect(told).to.contain('owned by another-cluster');
  });

  it('leads on while the store is away', async () => {
    await make(1);
    const node = start(identityOf(0));
    await node.topology(allLed);
    server.setOutage('refusing');
    server.breakWatches();
    expect(node.leads).to.have.length(SHARDS);
    expect(node.agent.readiness().ready).to.equal(true);
    server.setOutage('none');
    expect(node.leads).to.have.length(SHARDS);
  });
});
