/** Which pod is replaced next, so that the spec is carried out one node at a time. */
import { annotations } from '../names.ts';
import { annotationOf } from '../objects.ts';
import type { Observed, ObservedNode } from '../observe.ts';
import { isReady, isTerminating } from './health.ts';

export type Roll =
  /** Every pod has the wanted template. */
  | { readonly kind: 'done' }
  /** A pod comes or goes, or a new one is not ready: one at a time. */
  | { readonly kind: 'wait'; readonly outdated: readonly string[] }
  /** The next one holds the only copy of some shards, and nobody accepted the loss. */
  | { readonly kind: 'ask'; readonly outdated: readonly string[] }
  | {
      readonly kind: 'replace';
      readonly node: ObservedNode;
      readonly outdated: readonly string[];
    };

export function planRoll(
  seen: Observed,
  { hash, accepted }: { readonly hash: string; readonly accepted: boolean },
): Roll {
  const outdated = seen.nodes.filter(
    ({ pod }) => pod !== undefined && annotationOf(pod, annotations.templateHash) !== hash,
  );
  const names = outdated.map(({ name }) => name);
  if (outdated.length === 0) return { kind: 'done' };
  const fresh = seen.nodes.filter((node) => !outdated.includes(node));
  const busy =
    seen.nodes.some(({ pod }) => pod !== undefined && isTerminating(pod)) ||
    // A new pod that does not become ready stops the roll: the next would fare no better.
    fresh.some(({ pod }) => !isReady(pod));
  if (busy) return { kind: 'wait', outdated: names };
  // Those that serve nobody first, then from the highest ordinal down, as StatefulSets do.
  const order = [...outdated].sort(
    (left, right) =>
      Number(isReady(left.pod)) - Number(isReady(right.pod)) || right.ordinal - left.ordinal,
  );
  const harmless = order.find((node) => !holdsOnlyCopy(seen, node.name));
  const node = harmless ?? (accepted ? order[0] : undefined);
  return node === undefined
    ? { kind: 'ask', outdated: names }
    : { kind: 'replace', node, outdated: names };
}

/** Whether some shard's in-sync set is this node alone. A Lease that nobody can read counts as such. */
export function holdsOnlyCopy(seen: Observed, node: string): boolean {
  return [...seen.shards.values()].some(({ content }) => {
    if (content === undefined) return true;
    const { inSync } = content;
    return inSync.length > 0 && inSync.every((member) => member.node === node);
  });
}

/**
 * Nodes that a PodDisruptionBudget need not count: not ready, in no in-sync set, and every shard that
 * is assigned to them whole elsewhere.
 */
export function spareNodes(seen: Observed): number {
  const { replicationFactor } = seen.cluster.spec;
  const shards = [...seen.shards.values()];
  return seen.nodes.filter(({ name, pod }) => {
    if (isReady(pod)) return false;
    return shards.every(({ content }) => {
      if (content === undefined) return false;
      const inSync = new Set(content.inSync.map((member) => member.node));
      if (inSync.has(name)) return false;
      return !content.assignment.includes(name) || inSync.size >= replicationFactor;
    });
  }).length;
}
