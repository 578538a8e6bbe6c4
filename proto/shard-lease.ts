/**
 * The content of a shard's Lease.
 *
 * Where the in-sync set is concerned, a missing annotation is not an empty one: an empty set says
 * that the data is free to be started anew.
 */
import {
  asFields,
  assertReadable,
  type LeaseFields,
  type LeaseWrite,
  leaseRevision,
  microTime,
  readHolder,
  sameMember,
} from './lease-content.ts';
import {
  fail,
  formatMember,
  label,
  type Member,
  type Result,
  readInteger,
  readJson,
  readMembers,
  readNodeNames,
} from './lease-fields.ts';
import { ANNOTATION } from './lease-names.ts';
import { EPOCH_MAX } from './limits.ts';

/** How a shard last changed its leader without a hand-over. */
export interface LastFailover {
  /** The node that led before. */
  readonly node: string;
  /** A CamelCase word. */
  readonly cause: string;
  /** When the new leader had won, RFC 3339. */
  readonly time: string;
  readonly detectionMilliseconds: number;
  readonly promotionMilliseconds: number;
}

export interface ShardLeaseContent {
  /** Nodes that should hold a replica, preferred leader first. Never empty. */
  readonly assignment: readonly string[];
  /** Incarnations that hold every committed write. Empty: the data is free to be started anew. */
  readonly inSync: readonly Member[];
  /** Always one of `inSync`. */
  readonly leader: Member | undefined;
  /** 0 before the first leader. */
  readonly epoch: number;
  /** From 1. */
  readonly generation: number;
  /** Raised by every update. */
  readonly revision: number;
  readonly lastFailover: LastFailover | undefined;
}

export function parseShardLease(lease: LeaseFields): Result<ShardLeaseContent> {
  const assignment = readNodeNames(lease, ANNOTATION.assignment);
  if (!assignment.ok) return assignment;
  const inSync = readMembers(lease, ANNOTATION.inSync);
  if (!inSync.ok) return inSync;
  const generation = readInteger(lease, ANNOTATION.generation, {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  });
  if (!generation.ok) return generation;
  const revision = leaseRevision(lease);
  if (!revision.ok) return revision;
  const lastFailover = readLastFailover(lease);
  if (!lastFailover.ok) return lastFailover;
  const leader = readHolder(lease);
  if (!leader.ok) return leader;
  const epoch = lease.spec.leaseTransitions ?? 0;
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > EPOCH_MAX) {
    return fail('spec.leaseTransitions', epoch, `a whole number from 0 to ${EPOCH_MAX}`);
  }
  const content: ShardLeaseContent = {
    assignment: assignment.content,
    inSync: inSync.content,
    leader: leader.content,
    epoch,
    generation: generation.content,
    revision: revision.content,
    lastFailover: lastFailover.content,
  };
  return checkShard(content);
}

/** Throws if the content breaks a relation that `parseShardLease` demands: that is a bug. */
export function formatShardLease(content: ShardLeaseContent, nowMs: number): LeaseWrite {
  const { leader, lastFailover } = content;
  const write: LeaseWrite = {
    annotations: {
      [ANNOTATION.assignment]: content.assignment.join(','),
      [ANNOTATION.inSync]: content.inSync.map(formatMember).join(','),
      [ANNOTATION.generation]: String(content.generation),
      [ANNOTATION.revision]: String(content.revision),
      [ANNOTATION.lastFailover]: lastFailover === undefined ? null : JSON.stringify(lastFailover),
    },
    spec: {
      holderIdentity: leader === undefined ? '' : formatMember(leader),
      leaseTransitions: content.epoch,
      acquireTime: microTime(nowMs),
      renewTime: microTime(nowMs),
    },
  };
  assertReadable(parseShardLease(asFields(write)));
  return write;
}

function checkShard(content: ShardLeaseContent): Result<ShardLeaseContent> {
  const { leader, epoch, inSync } = content;
  if (leader !== undefined && !inSync.some((member) => sameMember(member, leader))) {
    const text = formatMember(leader);
    return fail('spec.holderIdentity', text, `an incarnation of the in-sync set, or empty`);
  }
  if (leader !== undefined && epoch === 0) {
    return fail('spec.leaseTransitions', epoch, 'at least 1, since the Lease has a holder');
  }
  return { ok: true, content };
}

function readLastFailover(lease: LeaseFields): Result<LastFailover | undefined> {
  const name = ANNOTATION.lastFailover;
  const json = readJson(lease, name);
  if (!json.ok || json.content === undefined) return json as Result<undefined>;
  const { node, cause, time, detectionMilliseconds, promotionMilliseconds } = json.content;
  if (
    typeof node === 'string' &&
    typeof cause === 'string' &&
    /^[A-Z][A-Za-z0-9]{0,63}$/.test(cause) &&
    typeof time === 'string' &&
    !Number.isNaN(Date.parse(time)) &&
    isMilliseconds(detectionMilliseconds) &&
    isMilliseconds(promotionMilliseconds)
  ) {
    const content = { node, cause, time, detectionMilliseconds, promotionMilliseconds };
    return { ok: true, content };
  }
  return fail(
    label(name),
    lease.annotations[name],
    'JSON {node, cause, time, detectionMilliseconds, promotionMilliseconds}',
  );
}

function isMilliseconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
