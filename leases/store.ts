/**
 * A LeaseStore keeps `coordination.k8s.io/v1` Lease objects and changes them by compare-and-set.
 *
 * There are three: Kubernetes (`kubernetes.ts`), one in memory with faults to order (`memory.ts`),
 * and one that speaks to another store over a channel (`channel.ts`: a socket between the processes
 * of a local cluster, a MessagePort between the threads of a node). One contract test
 * (`contract.ts`) holds for all of them.
 *
 * What callers must know of compare-and-set here:
 * - Every update raises the annotation `rdb.dev/revision`, since Kubernetes stores no identical
 *   update and so gives no new `resourceVersion` for it.
 * - An update whose answer is `unresolved` may still take effect later. Only a *higher* revision
 *   read from the store, or a later update won on that same version, resolves it.
 * - What a watch or a list tells may be stale. `get` never is.
 */

import type { LeaseStoreErrorCode } from './errors.ts';

/** One Lease as the store holds it. `raw` is the whole object, to be sent back with known fields changed. */
export interface Lease {
  readonly name: string;
  /** metadata.uid: another UID is another object, whatever its name. */
  readonly uid: string;
  /** Opaque. The precondition of an update. */
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: LeaseSpec;
  /** The object as read, unknown fields included. Never changed in place. */
  readonly raw: unknown;
}

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseTransitions?: number;
  /** RFC 3339 with microseconds, as MicroTime. */
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseDurationSeconds?: number;
}

/** What to change in a Lease. Annotations given replace those of the same name; null removes one. */
export interface LeaseChange {
  readonly annotations?: Readonly<Record<string, string | null>>;
  readonly spec?: LeaseSpec;
}

export type UpdateOutcome =
  /** Stored. `lease` is what the store holds now. */
  | { readonly kind: 'won'; readonly lease: Lease }
  /** Certainly not stored, now or later (403, 404, 422, 429, or the request was never sent). */
  | { readonly kind: 'refused'; readonly reason: RefusedReason; readonly message: string }
  /** Unknown (409, time-out, 5xx, connection lost): read again with `get` before you conclude. */
  | {
      readonly kind: 'unresolved';
      readonly reason: LeaseStoreErrorCode;
      readonly message: string;
    };

export type RefusedReason =
  | 'Forbidden'
  | 'NotFound'
  | 'Invalid'
  | 'TooManyRequests'
  /** No connection: nothing of the request has left this process. */
  | 'Unreachable';

export type LeaseEvent =
  | { readonly kind: 'put'; readonly lease: Lease }
  | { readonly kind: 'deleted'; readonly lease: Lease };

/** A running watch. It first tells every existing Lease as `put`, then changes; it heals itself. */
export interface LeaseWatch extends AsyncDisposable {
  /** Milliseconds since the store was last heard from, bookmarks included. */
  ageMs(): number;
  /** Resolves when the first full list has been told. */
  readonly ready: Promise<void>;
}

export interface Deadline {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call gives up. Default: `limits.requestTimeoutMs`. */
  readonly timeoutMs?: number;
}

export interface LeaseStore {
  /** Quorum read: what the store holds now, or undefined. Throws LeaseStoreError when it can't tell. */
  get(name: string, deadline?: Deadline): Promise<Lease | undefined>;
  /** All Leases with these labels; may be stale. Throws LeaseStoreError. */
  list(labels: Readonly<Record<string, string>>, deadline?: Deadline): Promise<readonly Lease[]>;
  /** Compare-and-set on `lease.resourceVersion`. Never throws for what the store answers. */
  update(lease: Lease, change: LeaseChange, deadline?: Deadline): Promise<UpdateOutcome>;
  watch(labels: Readonly<Record<string, string>>, onEvent: (event: LeaseEvent) => void): LeaseWatch;
}

/** What only the operator (or a local cluster's supervisor) does. */
export interface LeaseAdmin extends LeaseStore {
  /** Throws LeaseStoreError with code `AlreadyExists` if there is one. */
  create(lease: NewLease, deadline?: Deadline): Promise<Lease>;
  delete(name: string, uid: string, deadline?: Deadline): Promise<void>;
}

export interface NewLease {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: LeaseSpec;
  readonly ownerReferences?: readonly unknown[];
}
