/**
 * What a shard Lease that was deleted says when it is made anew (rule 16), from what every node that may hold
 * the shard has answered. Pure.
 *
 * - A node that leads the highest epoch goes on: its in-sync set is frozen while the Lease is gone, and each member
 *   that still lives holds all that it has committed, and will until it sees the new Lease.
 * - Where nobody leads, nothing is committed any more: those of the last known in-sync set whose log reaches furthest
 *   hold all that was. They choose one of themselves, once their promises have run out.
 * - Nobody else comes into the set, however far its log reaches: a leader commits without whoever is not in it.
 * - Where none of the last known in-sync set is among those that hold a copy, acknowledged writes may be gone: that is a
 *   total loss (rule 15), whatever the others hold.
 *
 * The epoch is above all that were seen, which is how nodes know that the Lease is meant.
 */
import { type Member, sameMember } from '@r-db/proto/leases.ts';
import type { ReplicaState } from '@r-db/proto/replicas.ts';

export interface Holder {
  readonly member: Member;
  readonly replica: ReplicaState;
}

export interface Relink {
  readonly epoch: number;
  readonly generation: number;
  readonly leader: Member | undefined;
  readonly inSync: readonly Member[];
  /** Whatever was written is gone, and this the next generation, empty. */
  readonly isLost: boolean;
}

export interface RelinkInput {
  /** Of each node that answered, what it said of the shard. */
  readonly answers: readonly Holder[];
  /** What the operator saw in the Lease before. */
  readonly seen: Seen | undefined;
}

type Seen = Pick<ReplicaState, 'epoch' | 'generation' | 'revision' | 'inSync'>;

/** Nobody knows of an epoch: any number that no election has reached. */
const UNKNOWN_EPOCH_STEP = 1000;

export function planRelink({ answers, seen }: RelinkInput): Relink {
  const epochs = [...answers.map(({ replica }) => replica.epoch), seen?.epoch ?? 0];
  const highest = Math.max(...epochs);
  const epoch = highest + (highest === 0 ? UNKNOWN_EPOCH_STEP : 1);
  const holders = answers.filter(({ replica }) => replica.generation > 0);
  const newest = Math.max(0, ...holders.map(({ replica }) => replica.generation));
  const members = lastSet([...answers.map(({ replica }) => replica), ...(seen ? [seen] : [])]);
  const current = holders.filter(
    ({ member, replica }) =>
      replica.generation === newest && members.some((one) => sameMember(one, member)),
  );
  const leader = current.find(({ replica }) => replica.leading && replica.epoch === highest);
  const inSync = leader === undefined ? furthest(current) : followersOf(leader, current);
  const kept = { epoch, generation: newest, leader: leader?.member, inSync, isLost: false };
  if (inSync.length > 0) return kept;
  // Nobody has led it: there was nothing to lose.
  if (highest === 0 && seen !== undefined) return { ...kept, generation: seen.generation };
  const generation = Math.max(newest, seen?.generation ?? 1) + 1;
  return { epoch, generation, leader: undefined, inSync: [], isLost: true };
}

function followersOf({ member: leader, replica }: Holder, holders: readonly Holder[]): Member[] {
  const others = holders.filter(
    ({ member }) =>
      !sameMember(member, leader) && replica.inSync.some((one) => sameMember(one, member)),
  );
  return [leader, ...others.map(({ member }) => member)];
}

/** The in-sync set of the latest Lease that anybody saw. */
function lastSet(known: readonly Seen[]): readonly Member[] {
  const [latest] = [...known].sort(
    (left, right) => right.epoch - left.epoch || right.revision - left.revision,
  );
  return latest?.inSync ?? [];
}

function furthest(members: readonly Holder[]): Member[] {
  const [first] = [...members].sort((left, right) => further(right.replica, left.replica));
  if (first === undefined) return [];
  return members
    .filter(({ replica }) => further(replica, first.replica) === 0)
    .map(({ member }) => member);
}

function further(left: ReplicaState, right: ReplicaState): number {
  return left.lastEpoch - right.lastEpoch || left.lastSequence - right.lastSequence;
}
