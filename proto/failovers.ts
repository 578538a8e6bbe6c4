/**
 * Changes of leader that nobody planned, by the node that failed. Each shard's Lease remembers its last one; takeovers
 * of one node's shards in short succession are one failover. For the operator's status and for `rdb status`.
 */
import { FAILOVER_GAP_MS } from './limits.ts';
import type { LastFailover } from './shard-lease.ts';

export interface ShardFailover extends LastFailover {
  readonly shard: number;
}

export interface Failover {
  /** The node that led before. */
  readonly node: string;
  readonly cause: string;
  readonly shards: readonly number[];
  /** When the first and the last of them had a leader again, RFC 3339. */
  readonly firstTime: string;
  readonly lastTime: string;
  /** The longest of any of the shards. */
  readonly detectionMilliseconds: number;
  readonly promotionMilliseconds: number;
}

/** In the order of their times. */
export function groupFailovers(changes: readonly ShardFailover[]): Failover[] {
  const groups: Failover[] = [];
  for (const change of [...changes].sort((a, b) => apartMs(b.time, a.time))) {
    const { node, cause, time, shard, detectionMilliseconds, promotionMilliseconds } = change;
    const index = groups.findLastIndex((group) => group.node === node && group.cause === cause);
    const group = groups[index];
    if (group === undefined || apartMs(group.lastTime, time) > FAILOVER_GAP_MS) {
      const times = { firstTime: time, lastTime: time };
      const longest = { detectionMilliseconds, promotionMilliseconds };
      groups.push({ node, cause, shards: [shard], ...times, ...longest });
      continue;
    }
    groups[index] = {
      ...group,
      shards: [...group.shards, shard],
      lastTime: time,
      detectionMilliseconds: Math.max(group.detectionMilliseconds, detectionMilliseconds),
      promotionMilliseconds: Math.max(group.promotionMilliseconds, promotionMilliseconds),
    };
  }
  return groups;
}

/** From one to another; negative if that is before it. */
function apartMs(from: string, to: string): number {
  return Date.parse(to) - Date.parse(from);
}
