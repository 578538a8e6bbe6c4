/**
 * Part of recovery: shard Leases that were deleted are made again (rule 16), once every node that may hold
 * them has answered what it holds, or is gone. Nodes go on serving meanwhile. What the new Lease says is
 * judged in plan/relinks.ts.
 */
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import type { ShardLeaseContent } from '@r-db/proto/leases.ts';
import type { NodeReplicas } from '@r-db/proto/replicas.ts';
import { ApiError, eachBounded } from '../api.ts';
import { type Context, lookAgain } from '../context.ts';
import { told } from '../ensure.ts';
import { limits } from '../limits.ts';
import { buildShardLease, freshShard } from '../make/leases.ts';
import type { ObservedNode } from '../observe.ts';
import { memberState } from '../plan/losses.ts';
import { type Holder, planRelink, type Relink } from '../plan/relinks.ts';
import { replicasOf } from '../replicas.ts';
import { wantedAssignment } from './provision.ts';

export async function relink(context: Context): Promise<void> {
  const { found, seen } = context;
  if (found.withoutLease.size === 0) return;
  const shards = [...found.withoutLease];
  const holders = new Map(shards.map((shard) => [shard, mayHold(context, shard)]));
  const asked = new Set([...holders.values()].flatMap((names) => [...names]));
  const answers = new Map<string, NodeReplicas | undefined>();
  await eachBounded(seen.nodes, limits.requestsAtOnce, async (node) => {
    if (!asked.has(node.name)) return;
    answers.set(node.name, await replicasOf(context, node));
  });
  const plan = wantedAssignment(context);
  await eachBounded(shards, limits.requestsAtOnce, async (shard) => {
    const names = holders.get(shard) ?? new Set();
    const missing = seen.nodes.filter(
      (node) =>
        names.has(node.name) &&
        !hasTold(answers.get(node.name), shard) &&
        !isGone(context, node, shard),
    );
    for (const { name } of missing) found.silent.add(name);
    if (missing.length > 0) return;
    await makeAgain(context, shard, plan[shard] ?? [], [...answers.values()]);
  });
  if (found.withoutLease.size > 0) lookAgain(found, limits.failoverSettledMs);
}

/** One that has not found the Lease missing yet may still change what it would say. */
function hasTold(answer: NodeReplicas | undefined, shard: number): boolean {
  return answer?.replicas.some((replica) => replica.shard === shard && replica.leaseLost) === true;
}

/** Those that were assigned when the Lease was last seen; if this operator never saw it, any. */
function mayHold({ seen, cluster, tools }: Context, shard: number): ReadonlySet<string> {
  const remembered = tools.memory.shardSeen(cluster.metadata.uid, shard)?.assignment;
  return new Set(remembered ?? seen.nodes.map(({ name }) => name));
}

/** Whether the node can hold nothing any more, or a person accepts that it may. */
function isGone(
  { tools, seen, nowMs, resolved, acceptance }: Context,
  node: ObservedNode,
  shard: number,
): boolean {
  const member = node.lease?.content?.member;
  if (member === undefined) return node.pod === undefined;
  const state = memberState(member, seen, { memory: tools.memory, nowMs });
  if (state.kind !== 'vanished') return state.kind === 'gone';
  if (acceptance.shards.has(shard)) return true;
  return resolved.totalLoss === 'Reset' && state.sinceMs + limits.vanishedMs <= nowMs;
}

async function makeAgain(
  context: Context,
  shard: number,
  planned: readonly string[],
  replies: readonly (NodeReplicas | undefined)[],
): Promise<void> {
  const { cluster, tools, found, resolved, acceptance } = context;
  const answers = replies.flatMap((reply) => (reply === undefined ? [] : holderOf(reply, shard)));
  const seen = tools.memory.shardSeen(cluster.metadata.uid, shard);
  const relinked = planRelink({ answers, seen });
  if (relinked.isLost && resolved.totalLoss === 'Hold' && !acceptance.shards.has(shard)) {
    found.lost.add(shard);
    found.held.add(shard);
    return;
  }
  const { epoch, generation, leader, inSync } = relinked;
  // Whoever holds the data stays assigned, the leader first: the next reconcile does the rest.
  const holders = new Set([leader, ...inSync].flatMap((member) => member?.node ?? []));
  const assignment =
    seen === undefined && holders.size > 0 ? [...holders.union(new Set(planned))] : planned;
  const content: ShardLeaseContent = {
    ...freshShard(assignment.slice(0, Math.max(planned.length, holders.size))),
    epoch,
    generation,
    leader,
    inSync,
  };
  const lease = buildShardLease(cluster, shard, content, tools.nowMs());
  try {
    await tools.leases(cluster.metadata.namespace).create(lease);
  } catch (error) {
    if (!(error instanceof LeaseStoreError)) throw error;
    if (error.code === 'Forbidden') {
      return told(context, `Lease ${lease.name}`, new ApiError('Forbidden', error.message));
    }
    throw new ApiError('Conflict', error.message, { cause: error });
  }
  found.withoutLease.delete(shard);
  await tools.events.record(cluster, {
    reason: 'LeaseRecreated',
    type: 'Warning',
    message: `Lease ${lease.name} was deleted; it is made again at epoch ${epoch}, ${textOf(relinked)}`,
    occasion: `${shard} ${epoch}`,
  });
}

function textOf({ inSync, leader }: Relink): string {
  if (inSync.length === 0) return 'without data: no node had all of it';
  const led = leader === undefined ? '' : `, led by ${leader.node}`;
  return `with the data of ${inSync.map(({ node }) => node).join(', ')}${led}`;
}

function holderOf({ node, incarnation, replicas }: NodeReplicas, shard: number): Holder[] {
  return replicas
    .filter((replica) => replica.shard === shard && replica.leaseLost)
    .map((replica) => ({ member: { node, incarnation }, replica }));
}
