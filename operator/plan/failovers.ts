/**
 * Changes of leader that nobody planned and that lost nothing, by the node that failed: as the Leases tell
 * them. Each Lease remembers its last one, the status the last few of all. Those that lost data are told by the
 * generations that rose (told.ts).
 */
import { groupFailovers } from '@r-db/proto/failovers.ts';
import { limits } from '../limits.ts';
import type { Observed } from '../observe.ts';
import type { Failover } from '../resource.ts';
import { isLoss } from './losses.ts';

/** One failure, and the shards that changed their leader by it. */
export interface FailoverGroup {
  readonly failover: Failover;
  readonly shards: readonly number[];
}

/** In the order of their times. */
export function findFailovers(seen: Observed): FailoverGroup[] {
  const changes = [...seen.shards].flatMap(([shard, { content }]) => {
    const last = content?.lastFailover;
    return last === undefined || isLoss(last.cause) ? [] : [{ ...last, shard }];
  });
  return groupFailovers(changes).map(({ shards, ...failover }) => ({
    failover: {
      ...failover,
      shards: shards.length,
      detectionMilliseconds: Math.round(failover.detectionMilliseconds),
      promotionMilliseconds: Math.round(failover.promotionMilliseconds),
    },
    shards,
  }));
}

/** New ones joined to those in the status that they belong to; newest first, bounded. */
export function mergeFailovers(
  before: readonly Failover[],
  found: readonly Failover[],
): readonly Failover[] {
  if (found.length === 0) return before;
  const merged = [...before];
  for (const failover of found) {
    const index = merged.findIndex((other) => belongsTo(failover, other));
    const other = merged[index];
    if (other === undefined) merged.push(failover);
    // The same shards may be told a second time after a crash: never counted twice.
    else merged[index] = joined(other, failover, Math.max(other.shards, failover.shards));
  }
  return merged
    .sort((left, right) => Date.parse(right.lastTime) - Date.parse(left.lastTime))
    .slice(0, limits.lastFailoversMax);
}

/** Whether one is the other, or a part of it: of one node, by one cause, at about one time. */
export function belongsTo(failover: Failover, other: Failover): boolean {
  if (!isSameFault(failover, other)) return false;
  const later = failover.firstTime > other.firstTime ? failover : other;
  const earlier = later === failover ? other : failover;
  return apartMs(earlier.lastTime, later.firstTime) <= limits.failoverGapMs;
}

/** Durations are the longest of both. */
export function joined(left: Failover, right: Failover, shards: number): Failover {
  const detection = larger(left.detectionMilliseconds, right.detectionMilliseconds);
  const promotion = larger(left.promotionMilliseconds, right.promotionMilliseconds);
  return {
    node: left.node,
    cause: left.cause,
    shards,
    firstTime: left.firstTime < right.firstTime ? left.firstTime : right.firstTime,
    lastTime: left.lastTime > right.lastTime ? left.lastTime : right.lastTime,
    ...(detection === undefined ? {} : { detectionMilliseconds: detection }),
    ...(promotion === undefined ? {} : { promotionMilliseconds: promotion }),
  };
}

interface Fault {
  readonly node: string;
  readonly cause: string;
}

function isSameFault(left: Fault, right: Fault): boolean {
  return left.node === right.node && left.cause === right.cause;
}

/** From one to another; negative if that is before it. */
function apartMs(from: string, to: string): number {
  return Date.parse(to) - Date.parse(from);
}

function larger(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.max(left, right);
}
