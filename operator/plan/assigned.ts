/** What is assigned now, as the planner takes it: from Leases, from memory where they are gone or unreadable. */
import { ANNOTATION, parseShardLease, type ShardLeaseContent } from '@r-db/proto/leases.ts';
import type { Observed, ShardLease } from '../observe.ts';
import { type Current, hostOf, type PlanNode } from './assign.ts';
import { type Copies, copiesOf } from './copies.ts';

export function planNodes(seen: Observed): PlanNode[] {
  return seen.nodes.map(({ name, lease }) => ({
    name,
    host: lease?.content?.host,
    zone: lease?.content?.zone,
  }));
}

/** `remembered`: what was assigned when it was last seen. */
export function assignedNow(
  seen: Observed,
  remembered: (shard: number) => readonly string[] | undefined,
): ReadonlyMap<number, Current> {
  const copies = copiesOf(seen);
  const nodes = planNodes(seen);
  const assigned = new Map<number, Current>();
  for (let shard = 0; shard < seen.cluster.spec.shards; shard++) {
    const lease = seen.shards.get(shard);
    const before = remembered(shard);
    const content = lease?.content ?? (lease && withAssignment(lease, before, nodes));
    if (content !== undefined) assigned.set(shard, currentOf(content, copies(shard), nodes));
    else if (before !== undefined) assigned.set(shard, { assignment: before });
  }
  return assigned;
}

/**
 * The content of a Lease in which only the assignment can't be read; undefined if there is more. In its place
 * stands what was assigned before, or else the nodes of the in-sync set, or any.
 */
export function withAssignment(
  { lease }: ShardLease,
  remembered: readonly string[] | undefined,
  nodes: readonly PlanNode[],
): ShardLeaseContent | undefined {
  const text = (remembered ?? nodes.slice(0, 1).map(({ name }) => name)).join(',');
  const annotations = { ...lease.annotations, [ANNOTATION.assignment]: text };
  const parsed = parseShardLease({ ...lease, annotations });
  if (!parsed.ok) return undefined;
  const { content } = parsed;
  if (remembered !== undefined || content.inSync.length === 0) return content;
  const { leader, inSync } = content;
  const holders = [leader, ...inSync].flatMap((member) => member?.node ?? []);
  return { ...content, assignment: [...new Set(holders)] };
}

/** Nobody ever led it, so nothing of it is anywhere. */
export function isUnused({ leader, inSync, epoch }: ShardLeaseContent): boolean {
  return leader === undefined && inSync.length === 0 && epoch === 0;
}

function currentOf(
  content: ShardLeaseContent,
  { inSync }: Copies,
  nodes: readonly PlanNode[],
): Current {
  const { assignment, leader } = content;
  // Leases are made before pods have hosts: where two copies met on one, followers are chosen anew.
  if (isUnused(content) && isCrowded(assignment, nodes)) {
    return { assignment: assignment.slice(0, 1) };
  }
  return { assignment, leader: leader?.node, inSync };
}

/** Whether its copies are on fewer hosts, or in fewer zones, than they could be. */
function isCrowded(assignment: readonly string[], nodes: readonly PlanNode[]): boolean {
  const own = nodes.filter(({ name }) => assignment.includes(name));
  const zones = new Set(nodes.map(({ zone }) => zone));
  return (
    isShort(own, nodes, hostOf) ||
    (!zones.has(undefined) && isShort(own, nodes, ({ zone }) => zone))
  );
}

function isShort(
  own: readonly PlanNode[],
  nodes: readonly PlanNode[],
  placeOf: (node: PlanNode) => string | undefined,
): boolean {
  return new Set(own.map(placeOf)).size < Math.min(own.length, new Set(nodes.map(placeOf)).size);
}
