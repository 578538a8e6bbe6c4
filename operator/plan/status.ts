/** The status of a cluster, from what was seen and what the phases found. No effects. */
import { sameMember } from '@r-db/proto/leases.ts';
import { conditionsOf, timeText } from '../conditions.ts';
import type { Context, Figures } from '../context.ts';
import { limits } from '../limits.ts';
import { podSelector, selectorText } from '../names.ts';
import type { Observed } from '../observe.ts';
import type { RDbClusterStatus, ShardCounts } from '../resource.ts';
import { judgeConditions } from './conditions.ts';
import { isReady } from './health.ts';
import { mergeFailovers } from './told.ts';

export function buildStatus(context: Context): RDbClusterStatus {
  const { cluster, seen, resolved, found, nowMs } = context;
  const before = cluster.status ?? {};
  const led = ledShards(seen);
  const generation = cluster.metadata.generation;
  const lastFailovers = mergeFailovers(before.lastFailovers ?? [], found.failovers);
  const version = versionText(seen);
  const figures = shownFigures(before, context.figures);
  const conditions = conditionsOf(
    before.conditions ?? [],
    judgeConditions(context, { led, lastFailovers }),
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
    shards: shardCounts(context, led),
    ...figures,
    lastFailovers: lastFailovers.map((failover) => ({
      ...failover,
      firstTime: timeText(Date.parse(failover.firstTime)),
      lastTime: timeText(Date.parse(failover.lastTime)),
    })),
    conditions,
  };
}

/**
 * Shards whose leader serves, as far as can be told from outside: the Lease names the incarnation that
 * the node's own Lease names, in the pod that is there and ready.
 */
export function ledShards(seen: Observed): ReadonlySet<number> {
  const serving = servingMembers(seen);
  const led = [...seen.shards].filter(([, { content }]) => {
    const leader = content?.leader;
    return leader !== undefined && serving.some((member) => sameMember(member, leader));
  });
  return new Set(led.map(([shard]) => shard));
}

function servingMembers(seen: Observed) {
  return seen.nodes.flatMap(({ pod, lease }) => {
    const { member, podUid } = lease?.content ?? {};
    const current = podUid === undefined || podUid === pod?.metadata.uid;
    return member !== undefined && current && isReady(pod) ? [member] : [];
  });
}

function shardCounts({ seen, cluster, found }: Context, led: ReadonlySet<number>): ShardCounts {
  const { shards: total, replicationFactor } = cluster.spec;
  const serving = servingMembers(seen);
  let inSync = 0;
  for (const { content } of seen.shards.values()) {
    const members = content?.inSync.filter((member) =>
      serving.some((other) => sameMember(member, other)),
    );
    if ((members?.length ?? 0) >= replicationFactor) inSync += 1;
  }
  return {
    total,
    led: led.size,
    inSync,
    underReplicated: total - inSync,
    lost: found.lost.size,
    summary: `${led.size}/${total}`,
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
