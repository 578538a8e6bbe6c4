/**
 * What a compare-and-set has come to: a pure tracker for one Lease.
 *
 * It holds the newest state seen and every compare-and-set that was sent and may yet take effect.
 * One that was not answered as won or refused stays unresolved until its sender has seen a higher
 * revision than the one it expected, or has won another on that same version. To read the same
 * version again resolves nothing, since the lost request may still arrive. Lower revisions (watch
 * caches, old lists) are ignored.
 *
 * Whatever changes a Lease through a LeaseStore raises its revision. People with an editor may not.
 * A quorum read that was begun after the sending and shows the expected revision under *another*
 * version proves as much as a higher revision would: versions never come back, so the request can't
 * take effect any more, and it has not, since it would have raised the revision. Without this a
 * stray annotation could block a shard. A watch or a list proves no such thing: it may be older.
 */
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { UNRESOLVED_MAX } from './limits.ts';
import { changedRaw, leaseOf, revisionOf } from './raw.ts';
import type { Lease, LeaseChange, UpdateOutcome } from './store.ts';

/** A compare-and-set that was sent. */
export interface Sent<Intent> {
  readonly id: number;
  /** What its sender wants to remember of it. */
  readonly intent: Intent;
  readonly change: LeaseChange;
  /** What it was to change. */
  readonly base: Lease;
}

/**
 * `won`: the Lease has been exactly what it would make. `lost`: it never took effect and never will.
 * `overtaken`: the Lease has been changed by others, before it or after it; nobody can tell, and
 * what the Lease says now is what counts.
 */
export type Verdict = 'won' | 'lost' | 'overtaken';

export interface Settled<Intent> extends Sent<Intent> {
  readonly verdict: Verdict;
}

/** What was learnt. `settled`: what was in doubt and is so no more, oldest first. */
export type Learnt<Intent> =
  /** `lease` is newer than all seen before. */
  | {
      readonly kind: 'newer';
      readonly lease: Lease;
      readonly settled: readonly Settled<Intent>[];
    }
  /** Nothing: an old or the same state, or an answer to what was settled before. */
  | { readonly kind: 'nothing' }
  /** Refused, so settled as lost; nothing is known of the Lease itself. */
  | { readonly kind: 'refused'; readonly settled: readonly Settled<Intent>[] }
  /** In doubt: read with a quorum, and reckon with both meanwhile. */
  | { readonly kind: 'unresolved'; readonly sent: Sent<Intent> }
  /** A cache shows no Lease or another object of that name: read with a quorum. */
  | { readonly kind: 'suspect' }
  /** Gone, or another object: what was sent to the old one can't take effect on it any more. */
  | { readonly kind: 'replaced'; readonly settled: readonly Settled<Intent>[] };

/** When a quorum read was begun, from `beginRead`. */
export type ReadToken = number;

export class CasTracker<Intent> {
  #lease: Lease | undefined;
  #revision = -1;
  #sent: readonly Sent<Intent>[] = [];
  #ids = 0;

  /** The newest state seen: the base of the next compare-and-set. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Of `lease`; -1 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** Sent and not settled, oldest first: each may yet take effect. */
  get unresolved(): readonly Sent<Intent>[] {
    return this.#sent;
  }

  get mayBegin(): boolean {
    return this.#lease !== undefined && this.#sent.length < UNRESOLVED_MAX;
  }

  /** Before sending `change` as an update of `lease`. Throws if `mayBegin` is false: a bug. */
  begin(intent: Intent, change: LeaseChange): Sent<Intent> {
    const lease = this.#lease;
    if (lease === undefined || !this.mayBegin) throw new Error('no compare-and-set may begin now');
    const sent: Sent<Intent> = {
      id: ++this.#ids,
      intent,
      change,
      base: lease,
    };
    this.#sent = [...this.#sent, sent];
    return sent;
  }

  /** With the outcome of the update that `begin` announced. */
  answer(id: number, outcome: UpdateOutcome): Learnt<Intent> {
    if (outcome.kind === 'won') return this.#won(id, outcome.lease);
    const sent = this.#sent.find((one) => one.id === id);
    if (sent === undefined) return { kind: 'nothing' };
    if (outcome.kind === 'unresolved') return { kind: 'unresolved', sent };
    return {
      kind: 'refused',
      settled: this.#settle(
        (one) => one.id === id,
        () => 'lost',
      ),
    };
  }

  /** Before a quorum read (`get`); its result goes to `observe` with this token. */
  beginRead(): ReadToken {
    return this.#ids;
  }

  /**
   * With every state seen: of a quorum read its token, else `cached` (watch, list). `undefined` says
   * that there is no such Lease.
   */
  observe(lease: Lease | undefined, read: ReadToken | 'cached'): Learnt<Intent> {
    const known = this.#lease;
    if (known !== undefined && lease?.uid !== known.uid) {
      if (read === 'cached') return { kind: 'suspect' };
      return {
        kind: 'replaced',
        settled: this.#settle(
          () => true,
          () => 'overtaken',
        ),
      };
    }
    if (lease === undefined) return { kind: 'nothing' };
    const revision = revisionOf(lease.annotations[ANNOTATION.revision]);
    if (revision > this.#revision) return this.#newer(lease, revision);
    const isMoved = lease.resourceVersion !== known?.resourceVersion;
    if (read === 'cached' || revision < this.#revision || !isMoved) return { kind: 'nothing' };
    this.#lease = lease;
    const settled = this.#settle(
      (sent) => sent.id <= read && sent.base.resourceVersion !== lease.resourceVersion,
      () => 'lost',
    );
    return { kind: 'newer', lease, settled };
  }

  /** Forgets everything: for another Lease of that name, once that is what counts. */
  reset(): void {
    this.#lease = undefined;
    this.#revision = -1;
    this.#sent = [];
  }

  /** All that are in doubt expect the revision that we knew, so this one settles them. */
  #newer(lease: Lease, revision: number): Learnt<Intent> {
    this.#lease = lease;
    this.#revision = revision;
    const settled = this.#settle(
      () => true,
      (sent) => (isMadeBy(sent, lease) ? 'won' : 'overtaken'),
    );
    return { kind: 'newer', lease, settled };
  }

  /** All that are in doubt expect the revision that we know: where one has won, the others lost. */
  #won(id: number, lease: Lease): Learnt<Intent> {
    const winner = this.#sent.find((one) => one.id === id);
    const revision = revisionOf(lease.annotations[ANNOTATION.revision]);
    if (winner === undefined) return this.observe(lease, 'cached');
    const settled = this.#settle(
      () => true,
      (sent) => (sent.id === id ? 'won' : 'lost'),
    );
    if (revision > this.#revision) {
      this.#lease = lease;
      this.#revision = revision;
    }
    return { kind: 'newer', lease: this.#lease ?? lease, settled };
  }

  #settle(
    which: (sent: Sent<Intent>) => boolean,
    verdict: (sent: Sent<Intent>) => Verdict,
  ): readonly Settled<Intent>[] {
    const settled = this.#sent.filter(which);
    this.#sent = this.#sent.filter((sent) => !settled.includes(sent));
    return settled.map((sent) => ({ ...sent, verdict: verdict(sent) }));
  }
}

/**
 * Whether the Lease is what this one would make, revision included. Not only that its fields are
 * there: a change of nothing would then be found won in what anybody wrote. Somebody else may have
 * written exactly the same; that makes no difference to anyone.
 */
function isMadeBy<Intent>({ base, change }: Sent<Intent>, lease: Lease): boolean {
  const made = leaseOf(changedRaw(base, change));
  return (
    sameFields(made.annotations, lease.annotations) &&
    sameFields({ ...made.spec }, { ...lease.spec })
  );
}

function sameFields(
  left: Readonly<Record<string, unknown>>,
  right: Readonly<Record<string, unknown>>,
): boolean {
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  );
}
