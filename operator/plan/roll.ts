/** Which pod is replaced next, so that the spec is carried out one node at a time. */
import { annotations } from '../names.ts';
import { annotationOf } from '../objects.ts';
import type { Observed, ObservedNode } from '../observe.ts';
import { copiesOf, unwholeShards } from './copies.ts';
import { isReady, isTerminating } from './health.ts';

export type Roll =
  /** Every pod has the wanted template. */
  | { readonly kind: 'done' }
  /** A pod comes or goes, a new one is not ready, or copies are not in sync: one at a time. */
  | {
      readonly kind: 'wait';
      readonly outdated: readonly string[];
      /** Shards of which all copies must be in sync first. */
      readonly unwhole: readonly number[];
    }
  /** The next one holds the only copy of some shards, and nobody accepted the loss. */
  | { readonly kind: 'ask'; readonly outdated: readonly string[] }
  | {
      readonly kind: 'replace';
      readonly node: ObservedNode;
      readonly outdated: readonly string[];
    };

/**
 * One at a time: a pod that serves is replaced only while every copy of every shard is in sync, so that others have
 * all of its data, and lead its shards when it goes. `accepted`: a person said that data may go.
 */
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
  if (busy) return { kind: 'wait', outdated: names, unwhole: [] };
  // One that is not ready and holds nothing is missed by nobody.
  const idle = outdated.find(({ pod, name }) => !isReady(pod) && !holdsCopy(seen, name));
  if (idle !== undefined) return { kind: 'replace', node: idle, outdated: names };
  const [next] = inOrder(seen, outdated);
  if (next === undefined) return { kind: 'done' };
  if (accepted) return { kind: 'replace', node: next, outdated: names };
  const harmless = inOrder(seen, outdated).find(({ name }) => !holdsOnlyCopy(seen, name));
  if (seen.cluster.spec.replicationFactor === 1) {
    return harmless === undefined
      ? { kind: 'ask', outdated: names }
      : { kind: 'replace', node: harmless, outdated: names };
  }
  const unwhole = unwholeShards(seen, copiesOf(seen));
  return unwhole.length === 0
    ? { kind: 'replace', node: next, outdated: names }
    : { kind: 'wait', outdated: names, unwhole };
}

/** Those that serve nobody first, then those that lead least, then from the highest ordinal down. */
function inOrder(seen: Observed, nodes: readonly ObservedNode[]): ObservedNode[] {
  const led = (name: string) =>
    [...seen.shards.values()].filter(({ content }) => content?.leader?.node === name).length;
  return [...nodes].sort(
    (left, right) =>
      Number(isReady(left.pod)) - Number(isReady(right.pod)) ||
      led(left.name) - led(right.name) ||
      right.ordinal - left.ordinal,
  );
}

/** Whether the node is in some in-sync set. A Lease that nobody can read counts as such. */
function holdsCopy(seen: Observed, node: string): boolean {
  return [...seen.shards.values()].some(
    ({ content }) => content === undefined || content.inSync.some((member) => member.node === node),
  );
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
