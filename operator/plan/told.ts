/**
 * Which losses of data have been told. A generation rises when a shard lost every copy, whoever wrote it: the
 * node that restarted, the one that shut down, the operator. The ConfigMap remembers, run-length encoded, what was told.
 */
import { limits } from '../limits.ts';
import type { Memory } from '../memory.ts';
import { annotations } from '../names.ts';
import { annotationOf, type KubernetesObject } from '../objects.ts';
import type { Observed } from '../observe.ts';
import type { Failover } from '../resource.ts';
import { joined } from './failovers.ts';
import { isLoss } from './losses.ts';

export interface Told {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Index: shard. */
  readonly generations: readonly number[];
}

export interface Rises {
  readonly failovers: readonly Failover[];
  /** Shards that were started again, with their generation. */
  readonly shards: ReadonlyMap<number, number>;
  /** Wait so long: more may join. */
  readonly unsettledMs: number | undefined;
}

/** `2x1,1x3`: two shards at generation 1, one at 3. */
export function formatTold({ timeMs, generations }: Told): string {
  const runs: [count: number, generation: number][] = [];
  for (const generation of generations) {
    const last = runs.at(-1);
    if (last?.[1] === generation) last[0] += 1;
    else runs.push([1, generation]);
  }
  const text = runs.map(([count, generation]) => `${count}x${generation}`).join(',');
  return `${new Date(timeMs).toISOString()} ${text}`;
}

/** What is missing or unreadable counts as generation 1, told at the beginning. */
export function readTold(configMap: KubernetesObject | undefined, shards: number): Told {
  const text = configMap === undefined ? undefined : annotationOf(configMap, annotations.told);
  const [time = '', runs = ''] = (text ?? '').split(' ');
  const generations: number[] = [];
  for (const run of runs.split(',')) {
    const match = /^(\d{1,4})x(\d{1,15})$/.exec(run);
    const count = Math.min(Number(match?.[1] ?? 0), shards - generations.length);
    generations.push(...Array.from({ length: count }, () => Number(match?.[2])));
  }
  while (generations.length < shards) generations.push(1);
  const timeMs = Date.parse(time);
  return { timeMs: Number.isNaN(timeMs) ? 0 : timeMs, generations };
}

export function findRises(
  seen: Observed,
  told: Told,
  { memory, nowMs }: { readonly memory: Memory; readonly nowMs: number },
): Rises {
  const groups = new Map<string, Failover>();
  const shards = new Map<number, number>();
  let youngestMs = Number.NEGATIVE_INFINITY;
  for (const [shard, { content }] of seen.shards) {
    if (content === undefined || content.generation <= (told.generations[shard] ?? 1)) continue;
    const { generation, lastFailover, assignment } = content;
    const fact = `${seen.cluster.metadata.uid}/${shard} generation ${generation}`;
    youngestMs = Math.max(youngestMs, memory.since(fact, nowMs));
    shards.set(shard, generation);
    // A node that shuts down releases its shards without a failover of its own.
    const own =
      lastFailover !== undefined &&
      isLoss(lastFailover.cause) &&
      Date.parse(lastFailover.time) > told.timeMs;
    const failover: Failover = {
      node: own ? lastFailover.node : (assignment[0] ?? ''),
      cause: own ? lastFailover.cause : 'NodeShutDown',
      shards: 1,
      firstTime: own ? lastFailover.time : new Date(nowMs).toISOString(),
      lastTime: own ? lastFailover.time : new Date(nowMs).toISOString(),
      ...(own ? { detectionMilliseconds: lastFailover.detectionMilliseconds } : {}),
      ...(own ? { promotionMilliseconds: lastFailover.promotionMilliseconds } : {}),
    };
    const key = `${failover.node} ${failover.cause}`;
    const before = groups.get(key);
    groups.set(key, before === undefined ? failover : joined(before, failover, before.shards + 1));
  }
  const ageMs = nowMs - youngestMs;
  const unsettledMs =
    ageMs < limits.failoverSettledMs ? limits.failoverSettledMs - ageMs : undefined;
  return { failovers: [...groups.values()], shards, unsettledMs };
}

/** What is known now, told or not. */
export function toldNow(seen: Observed, told: Told, nowMs: number): Told {
  const generations = told.generations.map((generation, shard) =>
    Math.max(generation, seen.shards.get(shard)?.content?.generation ?? 1),
  );
  return { timeMs: nowMs, generations };
}
