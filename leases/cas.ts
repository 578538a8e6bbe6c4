/**
 * What a compare-and-set has come to: a pure tracker for one Lease.
 *
 * It holds the newest state seen and the compare-and-sets that were sent and are in doubt. Rule: one
 * that was not answered as won or refused stays unresolved until its sender has seen a higher
 * revision than the one it expected, or has won another on that same version. To read the same
 * version again resolves nothing, since the lost request may still arrive. Lower revisions (watch
 * caches, old lists) are ignored.
 *
 * Everything that changes a Lease through a LeaseStore raises its revision. People and foreign
 * controllers may not: a *quorum read* that began after the sending and shows the expected revision
 * under another version proves as much, since a version never comes back. A watch proves it not.
 *
 * Whoever wants to know whether a late one of its own has won compares the content seen with its
 * own: the tracker tells that the version is settled (`settled`), and which intents were in doubt.
 */
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { revisionOf } from './raw.ts';
import type { Lease, UpdateOutcome } from './store.ts';

/** A compare-and-set that was sent. `Intent` is what its sender needs to know of it. */
export interface Sent<Intent> {
  readonly id: number;
  readonly intent: Intent;
  readonly uid: string;
  readonly expectedRevision: number;
  readonly expectedVersion: string;
  /** Answered, but the answer left it in doubt. */
  readonly answered: boolean;
}

export type Observation<Intent> =
  /** Newer than all seen. `settled`: those that were in doubt and are so no more, oldest first. */
  | { readonly kind: 'newer'; readonly lease: Lease; readonly settled: readonly Sent<Intent>[] }
  /** Nothing new: an old or the same state. */
  | { readonly kind: 'stale' }
  /** Another object of that name, or none: nothing sent to the old one can take effect any more. */
  | { readonly kind: 'replaced'; readonly settled: readonly Sent<Intent>[] };

export type Answer<Intent> =
  | {
      readonly kind: 'won';
      readonly sent: Sent<Intent>;
      readonly lease: Lease;
      /** Others on the same or an older version: lost for certain, by this. */
      readonly settled: readonly Sent<Intent>[];
      /** A newer state had been seen already: this win is history. */
      readonly overtaken: boolean;
    }
  | { readonly kind: 'refused'; readonly sent: Sent<Intent>; readonly message: string }
  /** Read with a quorum now; keep to the wider of both possibilities meanwhile. */
  | { readonly kind: 'unresolved'; readonly sent: Sent<Intent>; readonly message: string }
  /** It was settled before its answer came. */
  | { readonly kind: 'settled-before' };

export type ReadKind = 'quorum' | 'cached';

/** At most so many at a time are in doubt: then none is sent until one is settled. */
export const UNRESOLVED_MAX = 16;

export class CasTracker<Intent> {
  #lease: Lease | undefined;
  #revision = -1;
  #sent: readonly Sent<Intent>[] = [];
  #ids = 0;

  /** The newest state seen, the base of the next compare-and-set. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Of `lease`; -1 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** Sent and not settled, oldest first: answered or not, each may yet take effect. */
  get unresolved(): readonly Sent<Intent>[] {
    return this.#sent;
  }

  get mayBegin(): boolean {
    return this.#lease !== undefined && this.#sent.length < UNRESOLVED_MAX;
  }

  /** Call before sending an update of `lease`. Throws if `mayBegin` is false: that is a bug. */
  begin(intent: Intent): Sent<Intent> {
    const lease = this.#lease;
    if (lease === undefined || !this.mayBegin) throw new Error('no compare-and-set may begin now');
    const sent: Sent<Intent> = {
      id: ++this.#ids,
      intent,
      uid: lease.uid,
      expectedRevision: this.#revision,
      expectedVersion: lease.resourceVersion,
      answered: false,
    };
    this.#sent = [...this.#sent, sent];
    return sent;
  }

  /** Call with the outcome of the update that `begin` announced. */
  answer(id: number, outcome: UpdateOutcome): Answer<Intent> {
    const sent = this.#sent.find((one) => one.id === id);
    if (sent === undefined) {
      if (outcome.kind === 'won') this.observe(outcome.lease, 'cached');
      return { kind: 'settled-before' };
    }
    if (outcome.kind === 'won') return this.#won(sent, outcome.lease);
    if (outcome.kind === 'refused') {
      this.#sent = this.#sent.filter((one) => one.id !== id);
      return { kind: 'refused', sent, message: outcome.message };
    }
    const answered = { ...sent, answered: true };
    this.#sent = this.#sent.map((one) => (one.id === id ? answered : one));
    return { kind: 'unresolved', sent: answered, message: outcome.message };
  }

  /**
   * Call with every state seen. `quorum`: from a `get` that was begun after the last `begin`; its
   * `undefined` says that there is no such Lease. Everything else is `cached`.
   */
  observe(lease: Lease | undefined, read: ReadKind): Observation<Intent> {
    const known = this.#lease;
    if (lease === undefined || (known !== undefined && lease.uid !== known.uid)) {
      // A cache may still show, or no more show, what a newer object has replaced.
      if (read === 'cached' || known === undefined) return { kind: 'stale' };
      return { kind: 'replaced', settled: this.#settle(() => true) };
    }
    const revision = revisionOf(lease.annotations[ANNOTATION.revision]);
    const sameRevision = revision === this.#revision;
    const moved =
      read === 'quorum' && sameRevision && lease.resourceVersion !== known?.resourceVersion;
    if (revision <= this.#revision && !moved) return { kind: 'stale' };
    this.#lease = lease;
    this.#revision = revision;
    const settled = this.#settle(
      (sent) =>
        sent.expectedRevision < revision ||
        (moved && sent.expectedVersion !== lease.resourceVersion),
    );
    return { kind: 'newer', lease, settled };
  }

  /** Forgets everything, for another Lease of that name (another UID). */
  reset(): void {
    this.#lease = undefined;
    this.#revision = -1;
    this.#sent = [];
  }

  #won(sent: Sent<Intent>, lease: Lease): Answer<Intent> {
    const overtaken = revisionOf(lease.annotations[ANNOTATION.revision]) <= this.#revision;
    const settled = this.#settle((one) => one.expectedRevision <= sent.expectedRevision);
    if (!overtaken) this.observe(lease, 'cached');
    const others = settled.filter((one) => one.id !== sent.id);
    return { kind: 'won', sent, lease, settled: others, overtaken };
  }

  #settle(isSettled: (sent: Sent<Intent>) => boolean): readonly Sent<Intent>[] {
    const settled = this.#sent.filter(isSettled);
    this.#sent = this.#sent.filter((sent) => !isSettled(sent));
    return settled;
  }
}
