/**
 * What is known of one Lease, and what became of the compare-and-sets on it.
 *
 * - The Lease of the highest revision seen is the current one; lower revisions are ignored, whoever
 *   tells them. The first Lease seen pins the UID.
 * - One request is out at a time. A compare-and-set whose answer doesn't tell its fate stays
 *   *unresolved*: until a higher revision was seen, or another one was won on the same version.
 *   Reading the same version again resolves nothing, for the lost request may still arrive.
 * - All unresolved ones are on the version of the current Lease: admitting another version resolves
 *   them. For a higher revision that is the rule itself. For the same revision on another version
 *   (somebody edited by hand and left the revision alone) only a quorum read can say which version is
 *   the later one; the store then moved on from our version, and no compare-and-set on it can win.
 * - A Lease that is gone, has another UID, or went back in epoch, generation or revision is *lost*, once
 *   a quorum read says so. What was known stays; nothing is written. A Lease of another UID is taken
 *   up only with an epoch above every one seen, which is how the operator makes one anew.
 */

import { assert } from './assert.ts';
import { type Epoch, epoch, type Generation, generation } from './identity.ts';
import type { Effect, LostReason } from './io.ts';
import {
  type Cause,
  type CurrentLease,
  contradiction,
  type LeaseEdit,
  type ShardLease,
} from './lease.ts';

type Request =
  | {
      readonly kind: 'read';
      readonly request: number;
      readonly base: CurrentLease | undefined;
      readonly orAny: boolean;
    }
  | {
      readonly kind: 'write';
      readonly request: number;
      readonly base: CurrentLease;
      readonly edit: LeaseEdit;
    };

export class LeaseTracker {
  readonly #tell: (effect: Effect) => void;
  #current: CurrentLease | undefined;
  #lost: LostReason | undefined;
  #epochSeen: Epoch = epoch(0);
  #generationSeen: Generation = generation(0);
  #unresolved: LeaseEdit[] = [];
  #inFlight: Request | undefined;
  /** Something was told since the last quorum read was sent that only another one can judge. */
  #inDoubt = false;
  /** No quorum read was sent since a compare-and-set became unresolved. */
  #unresolvedUnread = false;
  #confirmedBy = 0;
  #watchedUid: string | undefined;
  #lastRequest = 0;
  #changes = 0;

  readonly #resolvedByReading: Cause | undefined;

  /** `resolvedByReading` breaks the rule for edits of that cause: for the simulation alone. */
  constructor(tell: (effect: Effect) => void, resolvedByReading?: Cause) {
    this.#tell = tell;
    this.#resolvedByReading = resolvedByReading;
  }

  /** Rises whenever the Lease that is known or the edits that may be stored become others. */
  get changes(): number {
    return this.#changes;
  }

  /** The Lease to act on; undefined before one was seen and while it is lost. */
  get current(): CurrentLease | undefined {
    return this.#lost === undefined ? this.#current : undefined;
  }

  /** The last Lease that was good, lost or not. */
  get lastKnown(): CurrentLease | undefined {
    return this.#current;
  }

  get lost(): LostReason | undefined {
    return this.#lost;
  }

  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Whether nothing may be decided before a quorum read has answered. */
  get readWanted(): boolean {
    return this.#inDoubt || this.#unresolvedUnread;
  }

  get epochSeen(): Epoch {
    return this.#epochSeen;
  }

  /** Edits of the current Lease that may be stored now or later, the one that is out included. */
  get possibleEdits(): readonly LeaseEdit[] {
    const request = this.#inFlight;
    if (request?.kind !== 'write' || request.base !== this.#current) return this.#unresolved;
    return [...this.#unresolved, request.edit];
  }

  get writing(): LeaseEdit | undefined {
    return this.#inFlight?.kind === 'write' ? this.#inFlight.edit : undefined;
  }

  /** Whether winning another one would settle something: not on an object that is gone. */
  get hasUnresolved(): boolean {
    const isGone = this.#lost === 'Missing' || this.#lost === 'OtherUid';
    return !isGone && this.#unresolved.length > 0;
  }

  /** Number of the last quorum read that found the current Lease, or showed that the store answers; 0: none. */
  get confirmedBy(): number {
    return this.#confirmedBy;
  }

  /**
   * Whether the current object is known from a read alone. A watch tells the deletion only of what it has
   * told: one that appeared and went in a gap of the watch would never be missed.
   */
  get unwatched(): boolean {
    if (this.#lost !== undefined) return this.#lost !== 'Missing';
    return this.#current !== undefined && this.#current.uid !== this.#watchedUid;
  }

  /** Number of the last request sent: a read of a higher number was sent after now. */
  get lastRequest(): number {
    return this.#lastRequest;
  }

  /** `orAny`: an answer about any Lease will do. */
  read(orAny = false): Effect {
    assert(this.#inFlight === undefined, 'one request of a shard is out at a time');
    assert(!orAny || !this.readWanted, 'a doubt about this Lease needs an answer about it');
    const request = ++this.#lastRequest;
    this.#inFlight = { kind: 'read', request, base: this.#current, orAny };
    // What raises a doubt from now on is not answered by this read.
    this.#inDoubt = false;
    this.#unresolvedUnread = false;
    return { kind: 'read-lease', request, ...(orAny ? { orAny } : {}) };
  }

  write(base: CurrentLease, edit: LeaseEdit, dueMs?: number): Effect {
    assert(this.#inFlight === undefined, 'one request of a shard is out at a time');
    assert(base === this.current, 'a compare-and-set is on the current Lease only');
    assert(edit.epoch >= base.epoch, 'an epoch never falls');
    assert(edit.generation >= base.generation, 'a generation never falls');
    const request = ++this.#lastRequest;
    this.#inFlight = { kind: 'write', request, base, edit };
    this.#changes++;
    return { kind: 'write-lease', request, base, edit, ...(dueMs === undefined ? {} : { dueMs }) };
  }

  /** From a watch or list: perhaps old. */
  observed(lease: ShardLease): void {
    this.#watchedUid = lease.uid;
    const problem = contradiction(lease);
    const known = this.#current;
    if (problem !== undefined) {
      this.ignore(`Lease at revision ${lease.revision}: ${problem}`);
    } else if (known === undefined) {
      this.#admit(lease);
    } else if (this.#lost !== undefined || lease.uid !== known.uid) {
      this.#inDoubt = true;
    } else if (lease.revision > known.revision) {
      if (this.#wentBack(lease)) this.#inDoubt = true;
      else this.#admit(lease);
    } else if (lease.revision === known.revision && lease.version !== known.version) {
      this.#inDoubt = true;
    }
  }

  /** From a watch: perhaps old, and of another UID. */
  deleted(uid: string): void {
    const known = this.#current;
    if (uid === this.#watchedUid) this.#watchedUid = undefined;
    if (known === undefined || this.#lost === 'Missing') return;
    if (uid === known.uid || this.#lost !== undefined) this.#inDoubt = true;
  }

  /** Answer of a quorum read. False: it found a Lease that can't be acted on. */
  readAnswered(request: number, lease: ShardLease | undefined): boolean {
    const sent = this.#answered(request, 'read');
    const known = this.#current;
    if (lease === undefined) {
      if (known !== undefined) this.#lose('Missing');
      return true;
    }
    const problem = contradiction(lease);
    if (problem !== undefined) {
      this.ignore(`Lease at revision ${lease.revision}: ${problem}`);
      this.#unresolvedUnread = this.hasUnresolved;
      return false;
    }
    if (known === undefined) {
      this.#admit(lease);
    } else if (lease.uid !== known.uid) {
      if (!this.#mayReplace(lease)) {
        this.#lose('OtherUid');
        return true;
      }
      this.#admit(lease);
    } else if (lease.revision < known.revision) {
      // A watch may have told a newer one since the read was sent; else the store itself went back.
      if (sent.base?.revision === known.revision) this.#lose('RevisionWentBack');
      else this.#unresolvedUnread = this.hasUnresolved;
      return true;
    } else if (this.#wentBack(lease)) {
      this.#lose('EpochWentBack');
      return true;
    } else if (lease.version !== known.version) {
      this.#admit(lease);
    } else {
      this.#changes++;
      this.#unresolved = this.#unresolved.filter(({ cause }) => cause !== this.#resolvedByReading);
      this.#found();
    }
    this.#confirmedBy = request;
    return true;
  }

  /**
   * The store answered another read, sent after this one was asked for. That it tells nothing of this Lease does no
   * harm: a compare-and-set on an old version is not stored.
   */
  storeReached(request: number): void {
    const { base, orAny } = this.#answered(request, 'read');
    assert(orAny, 'this Lease was asked for');
    if (base === this.#current) this.#confirmedBy = request;
  }

  readFailed(request: number): void {
    this.#answered(request, 'read');
    this.#inDoubt = true;
  }

  won(request: number, lease: ShardLease): void {
    const { base, edit } = this.#answered(request, 'write');
    assert(lease.revision > base.revision, 'a compare-and-set that was won raised the revision');
    assert(lease.epoch === edit.epoch, 'a compare-and-set that was won set the epoch');
    if (base !== this.#current) return; // A watch was faster; what it told is at least as new.
    this.#admit(lease);
  }

  refused(request: number, missing: boolean): void {
    this.#answered(request, 'write');
    if (missing) this.#inDoubt = true;
  }

  unresolved(request: number): void {
    const { base, edit } = this.#answered(request, 'write');
    if (base !== this.#current) return; // A higher revision was seen meanwhile: resolved.
    const known = JSON.stringify(edit);
    if (!this.#unresolved.some((other) => JSON.stringify(other) === known)) {
      this.#changes++;
      this.#unresolved.push(edit);
    }
    this.#unresolvedUnread = true;
  }

  ignore(message: string): void {
    this.#tell({ kind: 'tell', event: { kind: 'ignored', message } });
  }

  #answered<K extends Request['kind']>(request: number, kind: K): Extract<Request, { kind: K }> {
    const sent = this.#inFlight;
    assert(sent?.request === request && sent.kind === kind, `no ${kind} ${request} is out`);
    this.#inFlight = undefined;
    this.#changes++;
    return sent as Extract<Request, { kind: K }>;
  }

  #wentBack(lease: ShardLease): boolean {
    return lease.epoch < this.#epochSeen || lease.generation < this.#generationSeen;
  }

  #mayReplace(lease: ShardLease): boolean {
    const newer = lease.epoch > this.#epochSeen || (lease.epoch === 0 && this.#epochSeen === 0);
    return newer && lease.generation >= this.#generationSeen;
  }

  #admit(lease: ShardLease): void {
    this.#changes++;
    this.#current = lease as CurrentLease;
    this.#unresolved = [];
    this.#unresolvedUnread = false;
    this.#confirmedBy = 0;
    this.#epochSeen = lease.epoch > this.#epochSeen ? lease.epoch : this.#epochSeen;
    this.#generationSeen = lease.generation;
    this.#found();
  }

  #found(): void {
    if (this.#lost === undefined) return;
    this.#lost = undefined;
    this.#tell({ kind: 'tell', event: { kind: 'lease-found', epoch: this.#epochSeen } });
  }

  #lose(reason: LostReason): void {
    this.#changes++;
    // What is unresolved stays so. It may have been stored, and seen by others, before the object went: whoever
    // makes the Lease anew asks them, and goes by the newest set that anybody knows.
    if (this.#lost === reason) return;
    this.#lost = reason;
    this.#tell({ kind: 'tell', event: { kind: 'lease-lost', reason, epoch: this.#epochSeen } });
  }
}
