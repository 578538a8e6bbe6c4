/**
 * Which shards have lost every copy (rule 15 of the design's consensus): certain by the kubelet's word or by a newer incarnation in
 * the same pod, likely some time after a pod vanished, and not at all while anything may still hold them.
 */
import { type Member, memberText, sameMember } from '@r-db/proto/leases.ts';
import { limits } from '../limits.ts';
import { hasEnded, type Memory } from '../memory.ts';
import { ordinalOf } from '../names.ts';
import type { Observed, ObservedNode } from '../observe.ts';

/** Causes of a loss: CamelCase words that stand in Leases, the status and Events. */
export type LossCause = 'ContainerRestarted' | 'PodEnded' | 'PodVanished';

/** Also how a node that shut down with the only copy is told, which writes no cause. */
const LOSS_CAUSES: ReadonlySet<string> = new Set<LossCause | 'NodeShutDown'>([
  'ContainerRestarted',
  'NodeShutDown',
  'PodEnded',
  'PodVanished',
]);

/** Whether a failover of this cause started shards again empty; else others had all of the data. */
export function isLoss(cause: string): boolean {
  return LOSS_CAUSES.has(cause);
}

export type MemberState =
  | { readonly kind: 'present' }
  /** Certainly gone. */
  | { readonly kind: 'gone'; readonly cause: LossCause }
  /** No pod of it is there, and nobody said that it ended. */
  | { readonly kind: 'vanished'; readonly cause: LossCause; readonly sinceMs: number };

export interface Loss {
  readonly shard: number;
  /** Whose end was the last, or is the least certain. */
  readonly node: string;
  /** All whose copies are gone. */
  readonly nodes: readonly string[];
  readonly cause: LossCause;
  /** When it may be acted on without a person's word; in the past if it is certain. */
  readonly dueMs: number;
  /** Since when, as far as is known. */
  readonly sinceMs: number;
}

export interface LossContext {
  readonly memory: Memory;
  readonly nowMs: number;
}

export function findLosses(seen: Observed, context: LossContext): Loss[] {
  const losses: Loss[] = [];
  for (const [shard, { content }] of seen.shards) {
    if (content === undefined || content.inSync.length === 0) continue;
    const loss = lossOf(content.inSync, seen, context);
    if (loss !== undefined) losses.push({ shard, ...loss });
  }
  return losses;
}

/** Undefined while a member of the set may live. */
export function lossOf(
  inSync: readonly Member[],
  seen: Observed,
  context: LossContext,
): Omit<Loss, 'shard'> | undefined {
  const states = inSync.map((member) => ({ member, state: memberState(member, seen, context) }));
  const nodes = [...new Set(inSync.map(({ node }) => node))];
  let latest: Omit<Loss, 'shard'> | undefined;
  for (const { member, state } of states) {
    if (state.kind === 'present') return undefined;
    const sinceMs = state.kind === 'gone' ? context.nowMs : state.sinceMs;
    const dueMs = state.kind === 'gone' ? 0 : state.sinceMs + limits.vanishedMs;
    if (latest === undefined || dueMs > latest.dueMs) {
      latest = { node: member.node, nodes, cause: state.cause, dueMs, sinceMs };
    }
  }
  return latest;
}

export function memberState(member: Member, seen: Observed, context: LossContext): MemberState {
  const ordinal = ordinalOf(seen.cluster.metadata.name, member.node);
  const node = ordinal === undefined ? undefined : seen.nodes[ordinal];
  if (node === undefined) return vanished(member, undefined, seen, context);
  const uid = seen.cluster.metadata.uid;
  const lease = node.lease?.content;
  const current = sameMember(lease?.member, member);
  const podUid = current ? lease?.podUid : context.memory.podOf(uid, member);
  if (!current && lease?.member !== undefined && podUid !== undefined && podUid === lease.podUid) {
    return { kind: 'gone', cause: 'ContainerRestarted' };
  }
  if (podUid !== undefined && context.memory.ended(podUid)) {
    return { kind: 'gone', cause: 'PodEnded' };
  }
  const { pod } = node;
  if (pod !== undefined && mayRun(pod, node, { current, podUid })) {
    if (hasEnded(pod)) return { kind: 'gone', cause: 'PodEnded' };
    context.memory.forget(missed(member, seen));
    return { kind: 'present' };
  }
  // Without its pod's UID the successor's age proves nothing: this incarnation may be the younger one.
  const successor = podUid === undefined ? undefined : pod?.metadata.creationTimestamp;
  return vanished(member, successor, seen, context);
}

/** Whether this very pod may be the one that the incarnation runs in. */
function mayRun(
  pod: NonNullable<ObservedNode['pod']>,
  node: ObservedNode,
  { current, podUid }: { readonly current: boolean; readonly podUid: string | undefined },
): boolean {
  if (podUid !== undefined) return podUid === pod.metadata.uid;
  // Whose pod is unknown: it can't run in this one only if this one's node Lease names another.
  return current || node.lease?.content?.member === undefined;
}

/** At the latest when the pod that took its place was made; else when it was first missed. */
function vanished(
  member: Member,
  successorTime: string | undefined,
  seen: Observed,
  { memory, nowMs }: LossContext,
): MemberState {
  const made = successorTime === undefined ? Number.NaN : Date.parse(successorTime);
  const sinceMs = Number.isNaN(made) ? memory.since(missed(member, seen), nowMs) : made;
  return { kind: 'vanished', cause: 'PodVanished', sinceMs };
}

function missed(member: Member, seen: Observed): string {
  return `${seen.cluster.metadata.uid}/${memberText(member)} missed`;
}
