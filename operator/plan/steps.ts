/**
 * From an assignment to the one planned, such that no step takes a copy that may be needed: first the
 * new ones are added; what is too much goes only when all others are in sync. The leader's copy is never
 * taken: where it is not to stay, the node hands leadership over to the first of the assignment by itself.
 */
import { ASSIGNMENT_NODES_MAX } from '@r-db/proto/limits.ts';
import type { Copies } from './copies.ts';

export interface StepInput {
  readonly current: readonly string[];
  readonly planned: readonly string[];
  readonly copies: Copies;
  /** Names of the nodes that there are. */
  readonly nodes: ReadonlySet<string>;
}

/** What is to be assigned next; `planned` once nothing stands against it. */
export function nextAssignment({ current, planned, copies, nodes }: StepInput): readonly string[] {
  const { leader, inSync } = copies;
  const whole = planned.every((node) => inSync.has(node));
  const staying = (whole ? [] : current).filter(
    (node) => nodes.has(node) && !planned.includes(node) && node !== leader,
  );
  const lead = leader === undefined || planned.includes(leader) ? [] : [leader];
  return [...planned, ...lead, ...staying].slice(0, ASSIGNMENT_NODES_MAX);
}

export function sameNodes(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((node, index) => node === right[index]);
}
