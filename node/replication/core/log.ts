/**
 * The log of one replica: applied entries, then pending ones (rules 1, 7).
 *
 * Applied entries are committed and never change; of them the last few stay, within a bound, to bring a
 * follower up to date. Pending entries are held, not known to be committed, and may be replaced by a newer
 * leader's. `(origin epoch, sequence)` names an entry for ever: two entries of one position with different
 * checksums stop the process.
 */

import { assert } from './assert.ts';
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
  /** Retained applied entries, then pending ones; without gaps. */
  #entries: LogEntry[] = [];
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
    return this.#entries.at(-1) ?? this.#applied;
  }

  get pending(): readonly LogEntry[] {
    return this.#entries.slice(this.#applied.sequence - this.#base.sequence);
  }

  /** Whether `position` is in this log; one that is applied and no longer retained is taken to be. */
  holds(position: Position): boolean {
    if (position.sequence > this.last.sequence) return false;
    if (position.sequence < this.#base.sequence) return true;
    const own = this.at(position.sequence);
    const same = samePosition(own, position);
    const applied = position.sequence <= this.#applied.sequence;
    assert(
      same || !applied,
      `the applied ${text(own)} differs from the leader's ${text(position)}`,
    );
    return same;
  }

  /** Whether everything after `position` can be had from here; false: only a snapshot helps. */
  reaches(position: Position): boolean {
    if (position.sequence < this.#base.sequence || position.sequence > this.last.sequence) {
      return false;
    }
    return samePosition(this.at(position.sequence), position);
  }

  /** Entries after a position that this log reaches: whole ones up to the bound of a message. */
  after(position: Position): readonly LogEntry[] {
    const from = position.sequence - this.#base.sequence;
    let to = from;
    for (let bytes = 0; to < this.#entries.length && bytes < limits.messageBytesMax; to++) {
      bytes += this.#entries[to]?.content.length ?? 0;
    }
    return this.#entries.slice(from, to);
  }

  /** Takes entries that follow each other; those it holds already stay, others replace what is pending. */
  merge(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const { sequence } = entry;
      if (sequence <= this.#base.sequence) continue;
      if (sequence <= this.last.sequence) {
        const own = this.#entries[sequence - this.#base.sequence - 1] as LogEntry;
        if (samePosition(own, entry)) {
          assert(own.checksum === entry.checksum, `two entries ${text(own)} have other checksums`);
          continue;
        }
        assert(sequence > this.#applied.sequence, `the applied ${text(own)} would be replaced`);
        this.#cut(sequence - 1);
      }
      this.append(entry);
    }
  }

  append(entry: LogEntry): void {
    assert(entry.sequence === this.last.sequence + 1, `a gap before ${text(entry)}`);
    this.#entries.push(entry);
    this.#bytes += entry.content.length;
  }

  /** Everything up to `sequence` is committed. Returns what is newly so. */
  apply(sequence: number): readonly LogEntry[] {
    if (sequence <= this.#applied.sequence) return [];
    assert(sequence <= this.last.sequence, `nothing is held at ${sequence}`);
    const from = this.#applied.sequence - this.#base.sequence;
    const to = sequence - this.#base.sequence;
    const newly = this.#entries.slice(from, to);
    this.#applied = this.at(sequence);
    this.#trim(newly.length);
    return newly;
  }

  /** Position of a retained entry, or of the one before the first. */
  at(sequence: number): Position {
    if (sequence === this.#base.sequence) return this.#base;
    const entry = this.#entries[sequence - this.#base.sequence - 1];
    assert(entry !== undefined, `nothing is held at ${sequence}`);
    return { epoch: entry.epoch, sequence };
  }

  /** Forgets all: a snapshot as of `position` takes its place. */
  reset(position: Position): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#base = position;
    this.#applied = position;
  }

  /** Forgets what is pending: only where a rule is broken on purpose. */
  dropPending(): void {
    this.#cut(this.#applied.sequence);
  }

  #cut(sequence: number): void {
    for (const entry of this.#entries.splice(sequence - this.#base.sequence)) {
      this.#bytes -= entry.content.length;
    }
  }

  /** The batch just applied stays: a member of the set may have missed that it is committed. */
  #trim(keep: number): void {
    let drop = 0;
    const most = this.#applied.sequence - this.#base.sequence - keep;
    while (drop < most && this.#bytes > this.#bytesMax) {
      this.#bytes -= this.#entries[drop++]?.content.length ?? 0;
    }
    if (drop === 0) return;
    this.#base = this.at(this.#base.sequence + drop);
    this.#entries.splice(0, drop);
  }
}

const text = ({ epoch, sequence }: Position): string => `entry ${epoch}.${sequence}`;
