/** The status of a cluster, from what was seen and what the phases found. No effects. */
import { conditionsOf, timeText } from '../conditions.ts';
import type { Context, Figures } from '../context.ts';
import { limits } from '../limits.ts';
import { podSelector, selectorText } from '../names.ts';
import type { Observed } from '../observe.ts';
import type { RDbClusterStatus, ShardCounts } from '../resource.ts';
import { judgeConditions } from './conditions.ts';
import { copiesOf, ledShards, unwholeShards } from './copies.ts';
import { mergeFailovers } from './failovers.ts';
import { isReady } from './health.ts';

export function buildStatus(context: Context): RDbClusterStatus {
  const { cluster, seen, resolved, found, nowMs } = context;
  const before = cluster.status ?? {};
  const copies = copiesOf(seen);
  const led = ledShards(seen);
  const tooFew = [...led].filter((shard) => copies(shard).inSync.size < resolved.minInSyncReplicas);
  const unwhole = unwholeShards(seen, copies);
  const generation = cluster.metadata.generation;
  const lastFailovers = mergeFailovers(before.lastFailovers ?? [], found.failovers);
  const version = versionText(seen);
  const figures = shownFigures(before, context.figures);
  const conditions = conditionsOf(
    before.conditions ?? [],
    judgeConditions(context, { led, tooFew, unwhole, lastFailovers }),
    { generation, nowMs },
  );
  return {
    observedGeneration: generation,
    nodes: seen.nodes.filter(({ pod }) => pod !== undefined).length,
    readyNodes: seen.nodes.filter(({ pod }) => isReady(pod)).length,
    selector: selectorText(podSelector(cluster.metadata.name)),
    ...(version === '' ? {} : { version }),
    minInSyncReplicas: resolved.minInSyncReplicas,
    totalLoss: resolved.totalLoss,
    shards: shardCounts(context, led.size, unwhole.length),
    ...figures,
    lastFailovers: lastFailovers.map((failover) => ({
      ...failover,
      firstTime: timeText(Date.parse(failover.firstTime)),
      lastTime: timeText(Date.parse(failover.lastTime)),
    })),
    conditions,
  };
}

function shardCounts({ cluster, found }: Context, led: number, behind: number): ShardCounts {
  const { shards: total } = cluster.spec;
  return {
    total,
    led,
    inSync: total - behind,
    underReplicated: behind,
    lost: found.lost.size,
    summary: `${led}/${total}`,
  };
}

function versionText(seen: Observed): string {
  const versions = seen.nodes.flatMap(({ pod, lease }) => {
    const version = pod === undefined ? undefined : lease?.content?.version;
    return version === undefined ? [] : [version];
  });
  return [...new Set(versions)].sort().join(',');
}

function shownFigures(before: RDbClusterStatus, figures: Figures | undefined) {
  if (figures === undefined) {
    const { keys, bytes } = before;
    return { ...(keys === undefined ? {} : { keys }), ...(bytes === undefined ? {} : { bytes }) };
  }
  return { keys: rounded(figures.keys), bytes: rounded(figures.bytes) };
}

/** To two digits: 1234 is 1200. Exact figures would write the status at every change. */
export function rounded(amount: number): number {
  if (amount <= 0) return 0;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(amount)) + 1 - limits.figuresDigits);
  return Math.round(amount / unit) * unit;
}
