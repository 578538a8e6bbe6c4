/** Whether a node is ready, and what it waits for. Pure. */

import { type Member, memberText, type ShardLeaseContent } from '@r-db/proto/leases.ts';
import type { NodeLeaseState } from './node-lease.ts';

export interface Readiness {
  readonly ready: boolean;
  /** What it waits for, a sentence each; empty if ready. */
  readonly reasons: readonly string[];
}

export interface ReadinessInput {
  readonly stopping: boolean;
  /** It was ready before: then it stays so until shutdown, whatever the store says. */
  readonly wasReady: boolean;
  readonly nodeLease: NodeLeaseState;
  readonly watchReady: boolean;
  readonly self: Member;
  /** Members that have certainly ended. */
  readonly ended: ReadonlySet<string>;
  /** Shards that were assigned to this node when it started, and what their Leases say now. */
  readonly assigned: ReadonlyMap<number, ShardLeaseContent | undefined>;
}

export function readinessOf(input: ReadinessInput): Readiness {
  const reasons = reasonsOf(input);
  return { ready: reasons.length === 0, reasons };
}

function reasonsOf(input: ReadinessInput): string[] {
  if (input.stopping) return ['shutting down'];
  if (input.wasReady) return [];
  const { nodeLease } = input;
  if (nodeLease.kind === 'waiting') return [nodeLease.reason];
  if (nodeLease.kind === 'superseded') return [`incarnation ${nodeLease.by} has the node's Lease`];
  if (!input.watchReady) return ['the shard Leases were not listed yet'];
  const behind = [...input.assigned].filter(([, content]) => isBehind(content, input));
  if (behind.length === 0) return [];
  const shown = behind.slice(0, 5).map(([shard]) => shard);
  return [`not in sync for ${behind.length} shards (${shown.join(', ')}${more(behind.length)})`];
}

/** A shard with a leader, of which this incarnation holds no copy that counts. */
function isBehind(content: ShardLeaseContent | undefined, input: ReadinessInput): boolean {
  if (content?.leader === undefined || input.ended.has(memberText(content.leader))) return false;
  const { node, incarnation } = input.self;
  // Taken from it since: it will never be in sync.
  if (!content.assignment.includes(node)) return false;
  return !content.inSync.some(
    (member) => member.node === node && member.incarnation === incarnation,
  );
}

const more = (count: number): string => (count > 5 ? ', ...' : '');
