/** The content of a node's Lease. */
import {
  asFields,
  assertReadable,
  type LeaseFields,
  type LeaseWrite,
  leaseRevision,
  microTime,
  readHolder,
} from './lease-content.ts';
import {
  fail,
  formatMember,
  label,
  type Member,
  type NodeAddressLists,
  type Result,
  readAddresses,
  readText,
  readTime,
} from './lease-fields.ts';
import { ANNOTATION, NODE_LEASE_DURATION_SECONDS } from './lease-names.ts';

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
