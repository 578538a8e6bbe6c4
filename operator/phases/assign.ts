/**
 * Third phase: the nodes that should hold each shard. Leases get the planned assignment in steps that leave
 * every copy that may be needed; only of shards that are led, as an election must not be disturbed. What
 * somebody edited into nonsense, or into nodes that there are not, is repaired and told.
 */
import { ANNOTATION, formatShardLease, type ShardLeaseContent } from '@r-db/proto/leases.ts';
import { ApiError, eachBounded } from '../api.ts';
import { type Context, lookAgain } from '../context.ts';
import { told } from '../ensure.ts';
import { limits } from '../limits.ts';
import type { ShardLease } from '../observe.ts';
import { planNodes, withAssignment } from '../plan/assigned.ts';
import { type Copies, copiesOf } from '../plan/copies.ts';
import { nextAssignment, sameNodes } from '../plan/steps.ts';
import { replicasOf } from '../replicas.ts';
import { wantedAssignment } from './provision.ts';

export interface Change {
  readonly shard: ShardLease;
  readonly content: ShardLeaseContent;
  readonly assignment: readonly string[];
  /** What was wrong with the old one; undefined: the plan is another. */
  readonly wrong: string | undefined;
}

export async function assign(context: Context): Promise<void> {
  const changes = changesOf(context);
  const told = await minInSyncOfLeaders(context, changes.filter(takesAway));
  await eachBounded(changes, limits.requestsAtOnce, async (change) => {
    const leader = change.content.leader?.node ?? '';
    const minInSync = told.get(leader) ?? Number.POSITIVE_INFINITY;
    // Its leader would take no writes: it has not heard yet that fewer copies are enough.
    if (takesAway(change) && minInSync > change.assignment.length) {
      return lookAgain(context.found, limits.failoverSettledMs);
    }
    await carryOut(context, change);
  });
}

function takesAway({ content, assignment }: Change): boolean {
  const isMember = (node: string) => content.inSync.some((member) => member.node === node);
  return content.assignment.some((node) => !assignment.includes(node) && isMember(node));
}

/** What nodes that lead shards of these keep to: they reload settings some time after the ConfigMap changed. */
async function minInSyncOfLeaders(
  context: Context,
  changes: readonly Change[],
): Promise<ReadonlyMap<string, number>> {
  const leaders = new Set(changes.map(({ content }) => content.leader?.node));
  const told = new Map<string, number>();
  await eachBounded(context.seen.nodes, limits.requestsAtOnce, async (node) => {
    if (!leaders.has(node.name)) return;
    const answer = await replicasOf(context, node);
    if (answer !== undefined) told.set(node.name, answer.minInSyncReplicas);
  });
  return told;
}

/** No effects. */
export function changesOf(context: Context): Change[] {
  const { seen, cluster, tools } = context;
  const plan = wantedAssignment(context);
  const copies = copiesOf(seen);
  const nodes = new Set(seen.nodes.map(({ name }) => name));
  return [...seen.shards].flatMap(([number, shard]): Change[] => {
    const planned = plan[number] ?? [];
    const remembered = tools.memory.shardSeen(cluster.metadata.uid, number)?.assignment;
    const content = shard.content ?? withAssignment(shard, remembered, planNodes(seen));
    if (content === undefined) return [];
    const wrong = problemOf(shard, nodes);
    const { assignment: current } = content;
    const assignment = mayStep(shard, content, copies(number), nodes)
      ? nextAssignment({ current, planned, copies: copies(number), nodes })
      : current;
    const unread = shard.content === undefined;
    if (!unread && sameNodes(assignment, current)) return [];
    return [{ shard, content, assignment, wrong }];
  });
}

/** Of a shard that is free the first of the assignment takes the Lease: that one must be there. */
function mayStep(
  { content: readable }: ShardLease,
  { inSync, leader, assignment, epoch }: ShardLeaseContent,
  copies: Copies,
  nodes: ReadonlySet<string>,
): boolean {
  if (copies.leader !== undefined || readable === undefined) return true;
  const isFree = leader === undefined && inSync.length === 0;
  return isFree && (epoch === 0 || !nodes.has(assignment[0] ?? ''));
}

function problemOf({ content, lease }: ShardLease, nodes: ReadonlySet<string>): string | undefined {
  const text = lease.annotations[ANNOTATION.assignment];
  const shown = text === undefined ? 'missing' : JSON.stringify(text.slice(0, 80));
  if (content === undefined) return `${shown}, which is no list of nodes`;
  const unknown = content.assignment.filter((node) => !nodes.has(node));
  return unknown.length === 0
    ? undefined
    : `${shown}, and there is no node ${unknown.join(', ')} in this cluster`;
}

async function carryOut(context: Context, change: Change): Promise<void> {
  const { tools, cluster, found } = context;
  const { shard, content, assignment, wrong } = change;
  const { lease } = shard;
  const next = { ...content, assignment, revision: content.revision + 1 };
  const store = tools.leases(cluster.metadata.namespace);
  const outcome = await store.update(lease, formatShardLease(next, tools.nowMs()));
  if (outcome.kind === 'refused' && outcome.reason === 'Forbidden') {
    return told(context, `Lease ${lease.name}`, new ApiError('Forbidden', outcome.message));
  }
  // Its leader was quicker, or a cache is old: what stands there now decides.
  if (outcome.kind !== 'won') return lookAgain(found, limits.failoverSettledMs);
  if (wrong === undefined) return;
  await tools.events.record(cluster, {
    reason: 'AssignmentRepaired',
    type: 'Warning',
    message: `Annotation ${ANNOTATION.assignment} of Lease ${lease.name} was ${wrong}; it is ${assignment.join(',')} now`,
    occasion: `${lease.uid} ${lease.resourceVersion}`,
  });
}
