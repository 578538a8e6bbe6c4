/**
 * What a large cluster asks of the API server: at its start, at rest, when a node fails, when it comes back.
 * The cores and their heartbeats are the real ones; no clients write, for the data path asks nothing.
 */

import { seededRandom } from '../core/backoff.ts';
import { nodeOf } from '../core/identity.ts';
import { limits } from '../core/limits.ts';
import { VirtualClock } from './clock.ts';
import { Cluster } from './cluster.ts';
import { unrest } from './rest.ts';

export interface CostsOptions {
  readonly nodes: number;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly seed: number;
}

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Shards with a copy on the node that fails or comes back; of the whole cluster otherwise. */
  readonly shards: number;
  readonly reads: number;
  readonly writes: number;
}

const stepMs = 250;

export function costs(options: CostsOptions): Phase[] {
  const clock = new VirtualClock();
  const random = seededRandom(options.seed);
  const note = () => {};
  const cluster = new Cluster(
    { clock, random, broken: undefined, note },
    {
      ...options,
      minInSync: 1,
      promiseMs: 1_000,
      logBytesMax: 4_096,
      datagrams: false,
      ratesApart: 0.04,
      extremeRates: false,
      sessionBounds: limits,
      lazy: true,
      relistMs: 300_000,
    },
  );
  const phases: Phase[] = [];
  const measure = (name: string, shards: number, until: (elapsedMs: number) => boolean) => {
    const { counts } = cluster.store;
    const before = { ...counts };
    const startMs = clock.nowMs;
    do clock.runUntil(clock.nowMs + stepMs);
    while (!until(clock.nowMs - startMs));
    if (cluster.failure !== undefined) throw cluster.failure;
    const seconds = (clock.nowMs - startMs) / 1_000;
    const reads = counts.reads - before.reads;
    const writes = counts.writes - before.writes;
    phases.push({ name, seconds, shards, reads, writes });
  };
  const isAtRest = (elapsedMs: number) => {
    if (elapsedMs > 60_000) throw new Error(`no rest: ${unrest(cluster)}`);
    return unrest(cluster) === undefined;
  };

  for (const node of cluster.names) cluster.start(node);
  measure('start, all empty', options.shards, isAtRest);
  measure('at rest', options.shards, (elapsedMs) => elapsedMs >= 10_000);
  const victim = cluster.process(cluster.names[0] ?? '');
  if (victim === undefined) throw new Error('there is no node');
  const touched = cluster.checkers.filter(({ shard }) =>
    cluster.store.lease(shard)?.inSync.includes(victim.self),
  ).length;
  cluster.kill(victim);
  measure('a node fails', touched, (elapsedMs) => elapsedMs >= 5_000 && isServed(cluster));
  cluster.start(nodeOf(victim.self));
  measure('it comes back', touched, isAtRest);
  return phases;
}

/** Whether every shard is led by somebody who lives, and holds no dead member back. */
function isServed(cluster: Cluster): boolean {
  return cluster.checkers.every(({ shard }) => {
    const lease = cluster.store.lease(shard);
    const serving = cluster.leaderOf(shard)?.replica(shard)?.serving;
    return serving?.role === 'leader' && lease?.inSync.every((one) => cluster.lives(one));
  });
}

export function costsText(phases: readonly Phase[]): string {
  const rows = phases.map(
    ({ name, seconds, shards, reads, writes }) =>
      `| ${name} | ${seconds.toFixed(1)} | ${shards} | ${reads} | ${writes} | ${((reads + writes) / shards).toFixed(2)} |`,
  );
  return [
    '| phase | seconds | shards touched | reads | writes | requests a shard |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
