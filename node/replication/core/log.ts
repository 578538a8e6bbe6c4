/**
 * The log of one replica: applied entries, then pending ones (rules 1, 7).
 *
 * Applied entries are committed and never change; of them the last few stay, within a bound, to bring a
 * follower up to date. Pending entries are held, not known to be committed, and may be replaced by a newer
 * leader's. `(origin epoch, sequence)` names an entry for ever: two entries of one position with different
 * checksums stop the process.
 */

import { InvariantError } from './assert.ts';
import { type Epoch, epoch } from './identity.ts';
import { limits } from './limits.ts';

/** Place of an entry in a shard's history: the epoch that made it, and its number, from 1. */
export interface Position {
  readonly epoch: Epoch;
  readonly sequence: number;
}

/** One effect; a transaction is one entry. `content`: the encoded effects and session. */
export interface LogEntry extends Position {
  readonly content: Uint8Array;
  readonly checksum: number;
}

export const start: Position = { epoch: epoch(0), sequence: 0 };

export const samePosition = (a: Position, b: Position): boolean =>
  a.sequence === b.sequence && a.epoch === b.epoch;

export class Log {
  readonly #bytesMax: number;
  /**
   * Retained applied entries, then pending ones, without gaps: a ring, each entry at its sequence modulo the
   * length. Taking a batch and forgetting an old one cost the same however much is retained.
   */
  #ring: (LogEntry | undefined)[] = new Array(ringLengthMin);
  #retained = 0;
  /** The entry before the first retained one. */
  #base: Position = start;
  #applied: Position = start;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The last entry that is known to be committed. */
  get applied(): Position {
    return this.#applied;
  }

  get last(): Position {
    return this.#retained === 0 ? this.#base : this.#entry(this.#lastSequence);
  }

  get hasPending(): boolean {
    return this.#applied.sequence < this.#lastSequence;
  }

  get pending(): readonly LogEntry[] {
    return this.#between(this.#applied.sequence, this.#lastSequence);
  }

  /** Whether `position` is in this log; one that is applied and no longer retained is taken to be. */
  holds(position: Position): boolean {
    const { sequence } = position;
    if (sequence > this.#lastSequence) return false;
    if (sequence < this.#base.sequence) return true;
    const own = this.#retainedAt(sequence);
    const same = own.epoch === position.epoch;
    if (!same && sequence <= this.#applied.sequence) {
      throw new InvariantError(
        `the applied ${text(own)} differs from the leader's ${text(position)}`,
      );
    }
    return same;
  }

  /** Whether everything after `position` can be had from here; false: only a snapshot helps. */
  reaches({ epoch, sequence }: Position): boolean {
    if (sequence < this.#base.sequence || sequence > this.#lastSequence) return false;
    return this.#retainedAt(sequence).epoch === epoch;
  }

  /** Entries after a position that this log reaches: whole ones up to the bound of a message. */
  after(position: Position): readonly LogEntry[] {
    const last = this.#lastSequence;
    let to = position.sequence;
    for (let bytes = 0; to < last && bytes < limits.messageBytesMax; ) {
      bytes += this.#entry(++to).content.length;
    }
    return this.#between(position.sequence, to);
  }

  /** Takes entries that follow each other; those it holds already stay, others replace what is pending. */
  merge(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const { sequence } = entry;
      if (sequence <= this.#base.sequence) continue;
      if (sequence <= this.#lastSequence) {
        const own = this.#entry(sequence);
        if (samePosition(own, entry)) {
          if (own.checksum === entry.checksum) continue;
          throw new InvariantError(`two entries ${text(own)} have other checksums`);
        }
        if (sequence <= this.#applied.sequence) {
          throw new InvariantError(`the applied ${text(own)} would be replaced`);
        }
        this.#cut(sequence - 1);
      }
      this.append(entry);
    }
  }

  append(entry: LogEntry): void {
    const { sequence } = entry;
    if (sequence !== this.#lastSequence + 1) {
      throw new InvariantError(`a gap before ${text(entry)}`);
    }
    if (this.#retained === this.#ring.length) this.#grow();
    this.#ring[sequence & (this.#ring.length - 1)] = entry;
    this.#retained++;
    this.#bytes += bytesOf(entry);
  }

  /** Everything up to `sequence` is committed. Returns what is newly so. */
  apply(sequence: number): readonly LogEntry[] {
    const from = this.#applied.sequence;
    if (sequence <= from) return none;
    if (sequence > this.#lastSequence) throw new InvariantError(`nothing is held at ${sequence}`);
    const newly = this.#between(from, sequence);
    this.#applied = this.at(sequence);
    this.#trim(from);
    return newly;
  }

  /** Position of a retained entry, or of the one before the first. */
  at(sequence: number): Position {
    const { epoch } = this.#retainedAt(sequence);
    return { epoch, sequence };
  }

  /** Forgets all: a snapshot as of `position` takes its place. */
  reset(position: Position): void {
    this.#ring = new Array(ringLengthMin);
    this.#retained = 0;
    this.#bytes = 0;
    this.#base = position;
    this.#applied = position;
  }

  /** Forgets what is pending: only where a rule is broken on purpose. */
  dropPending(): void {
    this.#cut(this.#applied.sequence);
  }

  get #lastSequence(): number {
    return this.#base.sequence + this.#retained;
  }

  /** A retained entry. */
  #entry(sequence: number): LogEntry {
    return this.#ring[sequence & (this.#ring.length - 1)] as LogEntry;
  }

  #retainedAt(sequence: number): Position {
    if (sequence === this.#base.sequence) return this.#base;
    if (sequence < this.#base.sequence || sequence > this.#lastSequence) {
      throw new InvariantError(`nothing is held at ${sequence}`);
    }
    return this.#entry(sequence);
  }

  #between(after: number, to: number): readonly LogEntry[] {
    if (to <= after) return none;
    const entries: LogEntry[] = [];
    for (let sequence = after + 1; sequence <= to; sequence++) entries.push(this.#entry(sequence));
    return entries;
  }

  #grow(): void {
    const before = this.#ring;
    const ring: (LogEntry | undefined)[] = new Array(before.length * 2);
    for (let sequence = this.#base.sequence + 1; sequence <= this.#lastSequence; sequence++) {
      ring[sequence & (ring.length - 1)] = before[sequence & (before.length - 1)];
    }
    this.#ring = ring;
  }

  #cut(sequence: number): void {
    for (let last = this.#lastSequence; last > sequence; last--) {
      this.#bytes -= bytesOf(this.#entry(last));
      this.#ring[last & (this.#ring.length - 1)] = undefined;
      this.#retained--;
    }
  }

  /** The batch just applied stays: a member of the set may have missed that it is committed. */
  #trim(keepAfter: number): void {
    if (this.#bytes <= this.#bytesMax) return;
    let { sequence } = this.#base;
    let base: Position = this.#base;
    while (sequence < keepAfter && this.#bytes > this.#bytesMax) {
      const entry = this.#entry(++sequence);
      base = entry;
      this.#bytes -= bytesOf(entry);
      this.#ring[sequence & (this.#ring.length - 1)] = undefined;
      this.#retained--;
    }
    this.#base = { epoch: base.epoch, sequence };
  }
}

/** An entry of a few bytes is a few objects, too. */
const bytesOf = ({ content }: LogEntry): number => content.length + limits.entryBytesExtra;

/** A power of two. */
const ringLengthMin = 16;
const none: readonly LogEntry[] = [];

const text = ({ epoch, sequence }: Position): string => `entry ${epoch}.${sequence}`;
