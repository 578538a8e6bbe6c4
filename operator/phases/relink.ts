/**
 * Part of recovery: shard Leases that were deleted are made again (rule 16), once every node of
 * the assignment has answered what it holds, or is gone. Nodes go on serving meanwhile. A new Lease has a
 * higher epoch than any that was seen, which is how nodes know that it is meant.
 */
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import type { Member, ShardLeaseContent } from '@r-db/proto/leases.ts';
import { ApiError, eachBounded } from '../api.ts';
import type { NodeAnswer, ReplicaAnswer } from '../ask.ts';
import { type Context, lookAgain } from '../context.ts';
import { told } from '../ensure.ts';
import { limits } from '../limits.ts';
import { buildShardLease, freshShard } from '../make/leases.ts';
import type { ObservedNode } from '../observe.ts';
import { memberState } from '../plan/losses.ts';
import { wantedAssignment } from './provision.ts';

interface Holder {
  readonly member: Member;
  readonly replica: ReplicaAnswer;
}

export async function relink(context: Context): Promise<void> {
  const { found, seen } = context;
  if (found.withoutLease.size === 0) return;
  const plan = wantedAssignment(context);
  const shards = [...found.withoutLease];
  const names = new Set(shards.flatMap((shard) => plan[shard] ?? []));
  const answers = new Map<string, NodeAnswer | 'gone'>();
  const nodes = seen.nodes.filter(({ name }) => names.has(name));
  await eachBounded(nodes, limits.requestsAtOnce, async (node) => {
    const answer = await answerOf(context, node);
    if (answer === undefined) found.silent.add(node.name);
    else answers.set(node.name, answer);
  });
  await eachBounded(shards, limits.requestsAtOnce, async (shard) => {
    const assignment = plan[shard] ?? [];
    if (assignment.every((name) => answers.has(name))) {
      await makeAgain(context, shard, assignment, answers);
    }
  });
  if (found.withoutLease.size > 0) lookAgain(found, limits.failoverSettledMs);
}

/** What the node holds; `gone` if it can hold nothing any more; undefined: wait. */
async function answerOf(
  { tools, seen, nowMs, resolved }: Context,
  node: ObservedNode,
): Promise<NodeAnswer | 'gone' | undefined> {
  const content = node.lease?.content;
  const address = content?.addresses?.grpc[0];
  const answer = address === undefined ? undefined : await tools.ask(address);
  if (answer !== undefined && answer.node === node.name) return answer;
  if (content?.member === undefined) return node.pod === undefined ? 'gone' : undefined;
  const state = memberState(content.member, seen, { memory: tools.memory, nowMs });
  if (state.kind === 'gone') return 'gone';
  const over = state.kind === 'vanished' && state.sinceMs + limits.vanishedMs <= nowMs;
  return over && resolved.totalLoss === 'Reset' ? 'gone' : undefined;
}

async function makeAgain(
  context: Context,
  shard: number,
  assignment: readonly string[],
  answers: ReadonlyMap<string, NodeAnswer | 'gone'>,
): Promise<void> {
  const { cluster, tools, found, resolved, acceptance } = context;
  const { memory } = tools;
  const known = memory.shardSeen(cluster.metadata.uid, shard);
  const replicas = assignment.flatMap((name) => replicaOf(answers.get(name), name, shard));
  const holders = newest(replicas);
  if (holders.length === 0 && resolved.totalLoss === 'Hold' && !acceptance.shards.has(shard)) {
    found.lost.add(shard);
    found.held.add(shard);
    return;
  }
  const epochs = [...replicas.map(({ replica }) => replica.epoch), known?.epoch ?? 0];
  const generations = [
    ...replicas.map(({ replica }) => replica.generation),
    known?.generation ?? 1,
  ];
  const kept = holders[0]?.replica.generation;
  const content: ShardLeaseContent = {
    ...freshShard(assignment),
    epoch: Math.max(...epochs) + (known === undefined && kept === undefined ? 1000 : 1),
    generation: kept ?? Math.max(...generations) + 1,
    inSync: holders.map(({ member }) => member),
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
    message: `Lease ${lease.name} was deleted; it is made again at epoch ${content.epoch}, ${
      kept === undefined
        ? 'without data: no node had any'
        : `with the data of ${holders.map(({ member }) => member.node).join(', ')}`
    }`,
    occasion: `${shard} ${content.epoch}`,
  });
}

function replicaOf(answer: NodeAnswer | 'gone' | undefined, node: string, shard: number): Holder[] {
  if (answer === undefined || answer === 'gone') return [];
  const replica = answer.replicas.get(shard);
  const member = { node, incarnation: answer.incarnation };
  return replica === undefined ? [] : [{ member, replica }];
}

/** Those that hold data and are furthest: by generation, epoch, sequence. */
function newest(replicas: readonly Holder[]): Holder[] {
  const holding = replicas.filter(({ replica }) => replica.epoch > 0 && replica.generation > 0);
  const first = [...holding].sort((left, right) => further(right.replica, left.replica))[0];
  if (first === undefined) return [];
  return holding.filter(({ replica }) => further(replica, first.replica) === 0);
}

function further(left: ReplicaAnswer, right: ReplicaAnswer): number {
  const bySequence = left.sequence < right.sequence ? -1 : left.sequence > right.sequence ? 1 : 0;
  return left.generation - right.generation || left.epoch - right.epoch || bySequence;
}
