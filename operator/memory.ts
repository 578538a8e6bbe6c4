/**
 * What the operator has seen and the API server no longer shows: which pod an incarnation ran in, which
 * pods ended by the kubelet's word, since when a pod is missing. All of it only makes the operator
 * quicker or surer: one that was restarted knows less, waits longer, and does the same.
 */
import { type Member, memberText } from '@r-db/proto/leases.ts';
import { limits } from './limits.ts';
import type { Pod } from './objects.ts';

export interface ShardSeen {
  readonly epoch: number;
  readonly generation: number;
  readonly revision: number;
  readonly assignment: readonly string[];
  readonly inSync: readonly Member[];
}

export class Memory {
  readonly #shards = new Map<string, ShardSeen>();
  readonly #podOfMember = new Map<string, string>();
  readonly #ended = new Map<string, true>();
  readonly #since = new Map<string, number>();

  /** A node Lease named this incarnation and this pod. */
  sawMember(clusterUid: string, member: Member, podUid: string): void {
    remember(this.#podOfMember, `${clusterUid}/${memberText(member)}`, podUid);
  }

  podOf(clusterUid: string, member: Member): string | undefined {
    return this.#podOfMember.get(`${clusterUid}/${memberText(member)}`);
  }

  /** The last state of a pod, when it was deleted or changed. */
  sawPod(pod: Pod): void {
    const { uid } = pod.metadata;
    if (uid !== undefined && hasEnded(pod)) remember(this.#ended, uid, true);
  }

  /** Whether the kubelet said that all containers of the pod had terminated for good. */
  ended(podUid: string): boolean {
    return this.#ended.has(podUid);
  }

  /** A shard Lease said this; kept for the day that somebody deletes it. */
  sawShard(clusterUid: string, shard: number, seen: ShardSeen): void {
    const key = `${clusterUid}/${shard}`;
    const before = this.#shards.get(key);
    const { epoch, generation, revision, assignment, inSync } = seen;
    const same =
      before?.epoch === epoch &&
      before.generation === generation &&
      before.revision === revision &&
      before.assignment.join() === assignment.join();
    if (!same) remember(this.#shards, key, { epoch, generation, revision, assignment, inSync });
  }

  shardSeen(clusterUid: string, shard: number): ShardSeen | undefined {
    return this.#shards.get(`${clusterUid}/${shard}`);
  }

  /** When a fact was first noticed. It must be forgotten once it no longer holds. */
  since(fact: string, nowMs: number): number {
    const before = this.#since.get(fact);
    if (before !== undefined) return before;
    remember(this.#since, fact, nowMs);
    return nowMs;
  }

  forget(fact: string): void {
    this.#since.delete(fact);
  }
}

/**
 * All containers have terminated and none will be started again. A container that terminated in a living
 * pod says nothing: by now it may run again.
 */
export function hasEnded(pod: Pod): boolean {
  const { phase, containerStatuses = [] } = pod.status ?? {};
  const terminated =
    containerStatuses.length > 0 &&
    containerStatuses.every(({ state }) => state?.terminated !== undefined);
  const last = pod.metadata.deletionTimestamp !== undefined;
  return terminated && (last || phase === 'Failed' || phase === 'Succeeded');
}

/** The oldest go first once there are too many. */
function remember<T>(map: Map<string, T>, name: string, value: T): void {
  map.delete(name);
  map.set(name, value);
  if (map.size <= limits.rememberedMax) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
