/** What the contents of both kinds of Leases share. */
import {
  type Fields,
  formatMember,
  type Member,
  type Result,
  readInteger,
  readMember,
} from './lease-fields.ts';
import { ANNOTATION } from './lease-names.ts';

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

export function readHolder(lease: LeaseFields): Result<Member | undefined> {
  const text = lease.spec.holderIdentity;
  if (text === undefined || text === null || text === '') return { ok: true, content: undefined };
  return readMember('spec.holderIdentity', text);
}

export function asFields(write: LeaseWrite): LeaseFields {
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(write.annotations)) {
    if (value !== null) annotations[name] = value;
  }
  return { annotations, spec: write.spec };
}

export function assertReadable(result: Result<unknown>): void {
  if (!result.ok) throw new Error(`Lease content that nobody could read: ${result.error.message}`);
}
