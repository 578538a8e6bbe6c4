/** What a shard's Lease says, as the core sees it, and what the core may change in it. */

import type { Epoch, Generation, Incarnation, Revision } from './identity.ts';

export interface ShardLease {
  /** Another UID is another object, whatever its name. */
  readonly uid: string;
  /** The store's opaque version: equal means the same stored object, nothing else can be told. */
  readonly version: string;
  readonly revision: Revision;
  readonly epoch: Epoch;
  readonly generation: Generation;
  readonly leader: Incarnation | undefined;
  readonly inSync: readonly Incarnation[];
  /** Names of nodes, preferred leader first. */
  readonly assignment: readonly string[];
}

declare const admitted: unique symbol;
/**
 * A Lease that the tracker admitted: of the pinned UID, no revision, epoch or generation below one
 * seen. Only `LeaseTracker` makes one, and whatever decides takes one: what a watch or a read
 * answers cannot be acted on unchecked.
 */
export type CurrentLease = ShardLease & { readonly [admitted]: true };

/** Why a leadership began or ended, for `rdb.dev/last-failover` and the metrics. */
export type Cause =
  | 'Free'
  | 'Campaign'
  | 'Restart'
  | 'Shrink'
  | 'Grow'
  | 'HandOver'
  | 'Shutdown'
  | 'TotalLoss'
  /** Nothing changed but the revision. */
  | 'Settle';

/** The whole of what a compare-and-set leaves behind; the assignment is the operator's alone. */
export interface LeaseEdit {
  readonly cause: Cause;
  readonly epoch: Epoch;
  readonly generation: Generation;
  readonly leader: Incarnation | undefined;
  readonly inSync: readonly Incarnation[];
}

/** No change but the revision: to win it settles what became of an earlier compare-and-set. */
export function noEdit(lease: CurrentLease): LeaseEdit {
  const { epoch, generation, leader, inSync } = lease;
  return { cause: 'Settle', epoch, generation, leader, inSync };
}

/** A free Lease: nobody leads, and no incarnation holds data that would be lost by starting empty. */
export const isFree = (lease: ShardLease): boolean =>
  lease.leader === undefined && lease.inSync.length === 0;

/** What contradicts itself in a Lease, or undefined. Such a Lease is never adopted. */
export function contradiction(lease: ShardLease): string | undefined {
  if (lease.generation < 1) return 'the generation is below 1';
  if (new Set(lease.inSync).size !== lease.inSync.length) {
    return 'the in-sync set names an incarnation twice';
  }
  if (lease.leader !== undefined && !lease.inSync.includes(lease.leader)) {
    return `the leader ${lease.leader} is not in the in-sync set`;
  }
  if (lease.epoch === 0 && lease.inSync.length > 0) {
    return 'there is an in-sync set at epoch 0, before the first leader';
  }
  return undefined;
}
