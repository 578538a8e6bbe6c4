/**
 * What stands in the Leases of a cluster, and how it is read and written.
 *
 * People can edit Leases by hand. Reading is therefore total and strict: whatever is there gives
 * either a typed value or an error that names the field and says what would be right. A reader
 * treats a Lease that it can't read as it treats an API outage: nothing changes by it.
 *
 * Where the in-sync set is concerned, a missing annotation is not an empty one: an empty set says
 * that the data is free to be started anew.
 */

import {
  type Address,
  type Fields,
  fail,
  formatMember,
  label,
  type Member,
  type NodeAddressLists,
  type Result,
  readAddresses,
  readInteger,
  readJson,
  readMember,
  readMembers,
  readNodeNames,
  readText,
  readTime,
} from './lease-fields.ts';
import { EPOCH_MAX } from './limits.ts';

export type { FieldError, Result } from './lease-fields.ts';
export type { Address, Member, NodeAddressLists };

export const LABEL = {
  cluster: 'rdb.dev/cluster',
  kind: 'rdb.dev/kind',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const ANNOTATION = {
  assignment: 'rdb.dev/assignment',
  inSync: 'rdb.dev/in-sync',
  generation: 'rdb.dev/generation',
  revision: 'rdb.dev/revision',
  lastFailover: 'rdb.dev/last-failover',
  addresses: 'rdb.dev/addresses',
  podUid: 'rdb.dev/pod-uid',
  version: 'rdb.dev/version',
  zone: 'rdb.dev/zone',
  host: 'rdb.dev/host',
} as const;

export const APP_NAME = 'r-db';
export const MANAGED_BY = 'r-db-operator';

/** A node Lease is renewed every 20 s and counts as stale after 60 s. */
export const NODE_LEASE_RENEW_MS = 20_000;
export const NODE_LEASE_DURATION_SECONDS = 60;

export type LeaseKind = 'Node' | 'Shard';

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

export interface NodeLeaseContent {
  /** The incarnation that runs; undefined before the first start. */
  readonly member: Member | undefined;
  /** Known whenever `member` is. */
  readonly addresses: NodeAddressLists | undefined;
  readonly podUid: string | undefined;
  readonly version: string | undefined;
  /** Written by the operator. */
  readonly zone: string | undefined;
  readonly host: string | undefined;
  /** Milliseconds since 1970 on the clock of the node that wrote. */
  readonly renewTimeMs: number | undefined;
  readonly revision: number;
}

/** As much of a Lease as is read here; a `Lease` of @r-db/leases is one. */
export type LeaseFields = Fields;

/** What to write. Fits `LeaseChange` of @r-db/leases. */
export interface LeaseWrite {
  readonly annotations: Readonly<Record<string, string | null>>;
  readonly spec: {
    readonly holderIdentity: string;
    readonly leaseTransitions?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseDurationSeconds?: number;
  };
}

export function nodeLeaseName(cluster: string, ordinal: number): string {
  return `${cluster}-node-${ordinal}`;
}

export function shardLeaseName(cluster: string, shard: number): string {
  return `${cluster}-shard-${shard}`;
}

/** Ordinal in the name of a node Lease of this cluster, or undefined if it is none. */
export function nodeOfLeaseName(cluster: string, name: string): number | undefined {
  return numberAfter(`${cluster}-node-`, name);
}

/** Shard in the name of a shard Lease of this cluster, or undefined if it is none. */
export function shardOfLeaseName(cluster: string, name: string): number | undefined {
  return numberAfter(`${cluster}-shard-`, name);
}

/** Labels that select all Leases of one kind in a cluster. */
export function leaseSelector(cluster: string, kind: LeaseKind): Record<string, string> {
  return { [LABEL.cluster]: cluster, [LABEL.kind]: kind };
}

/** All labels of a Lease that the operator makes. */
export function leaseLabels(cluster: string, kind: LeaseKind): Record<string, string> {
  return {
    [LABEL.name]: APP_NAME,
    [LABEL.instance]: cluster,
    [LABEL.component]: kind.toLowerCase(),
    [LABEL.managedBy]: MANAGED_BY,
    ...leaseSelector(cluster, kind),
  };
}

/** Written as `demo-0/0123456789abcdef`. */
export function memberText(member: Member): string {
  return formatMember(member);
}

export function sameMember(left: Member | undefined, right: Member | undefined): boolean {
  return left?.node === right?.node && left?.incarnation === right?.incarnation;
}

/** Milliseconds since 1970 as Kubernetes' MicroTime: RFC 3339, UTC, six digits. */
export function microTime(timeMs: number): string {
  const micros = Math.floor((timeMs - Math.floor(timeMs)) * 1000);
  const iso = new Date(Math.floor(timeMs)).toISOString();
  return `${iso.slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** Revision in a Lease of either kind; 0 where there is none yet. */
export function leaseRevision(lease: LeaseFields): Result<number> {
  if (lease.annotations[ANNOTATION.revision] === undefined) return { ok: true, content: 0 };
  return readInteger(lease, ANNOTATION.revision, { min: 0, max: Number.MAX_SAFE_INTEGER });
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

export function parseNodeLease(lease: LeaseFields): Result<NodeLeaseContent> {
  const member = readHolder(lease);
  if (!member.ok) return member;
  const addresses = readAddresses(lease, ANNOTATION.addresses);
  if (!addresses.ok) return addresses;
  const revision = leaseRevision(lease);
  if (!revision.ok) return revision;
  const renewTimeMs = readTime('spec.renewTime', lease.spec.renewTime);
  if (!renewTimeMs.ok) return renewTimeMs;
  const texts: (string | undefined)[] = [];
  for (const name of [
    ANNOTATION.podUid,
    ANNOTATION.version,
    ANNOTATION.zone,
    ANNOTATION.host,
  ] as const) {
    const text = readText(lease, name);
    if (!text.ok) return text;
    texts.push(text.content);
  }
  if (member.content !== undefined && addresses.content === undefined) {
    return fail(label(ANNOTATION.addresses), undefined, 'there, since the Lease has a holder');
  }
  const [podUid, version, zone, host] = texts;
  return {
    ok: true,
    content: {
      member: member.content,
      addresses: addresses.content,
      podUid,
      version,
      zone,
      host,
      renewTimeMs: renewTimeMs.content,
      revision: revision.content,
    },
  };
}

/** Throws if the content can't be read back: that is a bug. */
export function formatNodeLease(content: NodeLeaseContent): LeaseWrite {
  const { member, addresses, renewTimeMs } = content;
  const write: LeaseWrite = {
    annotations: {
      [ANNOTATION.addresses]: addresses === undefined ? null : JSON.stringify(addresses),
      [ANNOTATION.podUid]: content.podUid ?? null,
      [ANNOTATION.version]: content.version ?? null,
      [ANNOTATION.zone]: content.zone ?? null,
      [ANNOTATION.host]: content.host ?? null,
      [ANNOTATION.revision]: String(content.revision),
    },
    spec: {
      holderIdentity: member === undefined ? '' : formatMember(member),
      leaseDurationSeconds: NODE_LEASE_DURATION_SECONDS,
      ...(renewTimeMs === undefined ? {} : { renewTime: microTime(renewTimeMs) }),
    },
  };
  assertReadable(parseNodeLease(asFields(write)));
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

function readHolder(lease: LeaseFields): Result<Member | undefined> {
  const text = lease.spec.holderIdentity;
  if (text === undefined || text === null || text === '') return { ok: true, content: undefined };
  return readMember('spec.holderIdentity', text);
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

function numberAfter(prefix: string, name: string): number | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const digits = name.slice(prefix.length);
  return /^(0|[1-9][0-9]{0,8})$/.test(digits) ? Number(digits) : undefined;
}

function asFields(write: LeaseWrite): LeaseFields {
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(write.annotations)) {
    if (value !== null) annotations[name] = value;
  }
  return { annotations, spec: write.spec };
}

function assertReadable(result: Result<unknown>): void {
  if (!result.ok) throw new Error(`Lease content that nobody could read: ${result.error.message}`);
}
