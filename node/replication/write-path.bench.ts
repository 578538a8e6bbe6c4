/**
 * What a replicated write costs a leader and two followers together, but for its clients: three hosts and their engines in
 * one process, over real sockets: `node node/replication/write-path.bench.ts [shards] [writes]`. `writes` go off together,
 * each to any shard; the next ones follow when all are committed. CPU time: others may share the machine.
 */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { realScheduler, type Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import type { NodeAddresses } from '../agent/types.ts';
import { frame, makeHarness } from '../engine/testing/harness.ts';
import { Batches } from './batches.ts';
import { ShardHost } from './host.ts';
import { newContent, storeShardLease } from './testing/stored-lease.ts';

const shards = Number(process.argv[2] ?? 64);
const writesARound = Number(process.argv[3] ?? 25);
const rounds = 16;
const writesMeasured = 10_000;
const keys = 20_000;
const cluster = 'demo';
const clusterId = '6d1f6c1e-0000-4000-8000-000000000001';
const nodes = ['demo-0', 'demo-1', 'demo-2'];
const incarnation = (ordinal: number): string => `000000000000000${ordinal}`;
const scheduler: Scheduler = {
  nowMs: () => performance.now(),
  after: (delayMs, task) => {
    if (delayMs > 0) return realScheduler.after(delayMs, task);
    const immediate = setImmediate(task);
    return () => clearImmediate(immediate);
  },
};
const leases = new MemoryLeases({ scheduler });

interface BenchNode {
  readonly host: ShardHost;
  readonly harness: ReturnType<typeof makeHarness>;
  readonly batches: Batches;
}

function makeNode(node: string, ordinal: number): BenchNode {
  const harness = makeHarness({ reservedBytes: 2 ** 30, budgetBytes: 2 ** 29, shards });
  const { engine } = harness;
  const batches: Batches = new Batches({ engine, onGathered: (shard) => host.gathered(shard) });
  const host: ShardHost = new ShardHost({
    cluster,
    clusterId,
    self: `${node}/${incarnation(ordinal)}`,
    ended: [],
    totalLoss: 'Hold',
    shards,
    replication: { minInSync: 2, promiseMs: 10_000 },
    network: {
      self: {
        clusterId,
        node,
        incarnation: incarnation(ordinal),
        shards,
        hashSeedCheck: 7n,
        version: 'bench',
      },
      onRefused: ({ message }) => {
        throw new Error(message);
      },
      onPeers: () => {},
    },
    shardTime: { nowMs: () => Date.now(), heard: () => {}, adjust: () => {} },
    onResolved: (batch, outcome) => batches.resolve(batch.shard, batch.batch, outcome),
    onAbandoned: (shard) => batches.abandon(shard),
    engine,
    store: leases.client(node),
    scheduler,
    wallMs: () => Date.now(),
    seed: ordinal,
    onReport: () => {},
  });
  return { host, harness, batches };
}

for (let shard = 0; shard < shards; shard++) {
  storeShardLease(leases, { cluster, clusterId, shard, content: newContent(nodes) });
}
const all = nodes.map(makeNode);
const addresses = new Map<string, NodeAddresses>();
for (const [ordinal, { host }] of all.entries()) {
  const { network } = host;
  if (network === undefined) throw new Error('a host without a network');
  network.server.listen(0, '127.0.0.1');
  await once(network.server, 'listening');
  const { port } = network.server.address() as AddressInfo;
  const address = { host: '127.0.0.1', port };
  addresses.set(nodes[ordinal] ?? '', { resp: address, grpc: address, peer: address });
}
for (const { host } of all) {
  host.setAddresses(addresses);
  host.start();
}

const [leader] = all as [BenchNode];
const inSync = (): boolean =>
  leader.host.replicas().every(({ leading, inSync }) => leading && inSync.length === nodes.length);
for (let tries = 0; !inSync(); tries++) {
  if (tries > 300) throw new Error('the first node does not lead all shards with three copies');
  await new Promise((resolve) => setTimeout(resolve, 100));
}

const chunks = Array.from({ length: keys }, (_, key) =>
  frame('SET', `key:${String(key).padStart(12, '0')}`, 'x'.repeat(16)),
);

/** Those whose shard has a batch out are left to the next round. */
async function round(): Promise<number> {
  const { engine, connection } = leader.harness;
  const { promise, resolve } = Promise.withResolvers<void>();
  let waiting = 0;
  let written = 0;
  const holder = {
    resolved: () => {
      waiting--;
      if (waiting === 0) resolve();
    },
  };
  for (let at = 0; at < writesARound; at++) {
    const chunk = chunks[Math.floor(Math.random() * keys)] as Buffer;
    engine.input.set(chunk);
    engine.execute(
      connection,
      engine.input.byteOffset,
      0,
      chunk.length,
      0,
      Date.now(),
      performance.now(),
    );
    const held = leader.batches.hold(holder);
    waiting += held;
    written += held;
  }
  if (waiting > 0) await promise;
  engine.settleConnection(connection);
  return written;
}

const costs: { userNs: number; systemNs: number }[] = [];
for (let at = 0; at < rounds; at++) {
  const before = process.cpuUsage();
  let written = 0;
  while (written < writesMeasured) written += await round();
  const { user, system } = process.cpuUsage(before);
  costs.push({ userNs: (user * 1e3) / written, systemNs: (system * 1e3) / written });
}
const best = (values: readonly number[]): string => Math.min(...values).toFixed(0);
const user = best(costs.map(({ userNs }) => userNs));
const system = best(costs.map(({ systemNs }) => systemNs));
console.log(
  `${user} ns of user and ${system} ns of system time a write of 3 replicas, ${shards} shards`,
);
for (const { host } of all) await host[Symbol.asyncDispose]();
process.exit();
