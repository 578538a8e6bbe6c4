/**
 * The log of one replica: applied entries, then pending ones (rules 1, 7).
 *
 * Applied entries are committed and never change; of them the last few stay, within a bound, to bring a
 * follower up to date. Pending entries are held, not known to be committed, and may be replaced by a newer
 * leader's. `(origin epoch, sequence)` names an entry for ever: two entries of one position with different
 * checksums stop the process.
 */

import { InvariantError } from './assert.ts';
import { History } from './history.ts';
import { limits } from './limits.ts';
import { type LogEntry, type Position, positionText, samePosition, start } from './position.ts';

export class Log {
  readonly #bytesMax: number;
  #history = new History(start);
  /** Behind the applied ones, without gaps. */
  #pending: LogEntry[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The last entry that is known to be committed. */
  get applied(): Position {
    return this.#history.last;
  }

  get last(): Position {
    const pending = this.#pending;
    return pending.length === 0 ? this.#history.last : (pending[pending.length - 1] as LogEntry);
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  get pending(): readonly LogEntry[] {
    return this.#pending;
  }

  /** Whether `position` is in this log; one that is applied and no longer retained is taken to be. */
  holds(position: Position): boolean {
    const { sequence } = position;
    if (sequence > this.last.sequence) return false;
    if (sequence < this.#history.base.sequence) return true;
    const own = this.at(sequence);
    const same = own.epoch === position.epoch;
    if (!same && sequence <= this.applied.sequence) {
      throw new InvariantError(
        `the applied ${text(own)} differs from the leader's ${text(position)}`,
      );
    }
    return same;
  }

  /** Whether everything after `position` can be had from here; false: only a snapshot helps. */
  reaches({ epoch, sequence }: Position): boolean {
    if (sequence < this.#history.base.sequence || sequence > this.last.sequence) return false;
    return this.at(sequence).epoch === epoch;
  }

  /** Entries after a position that this log reaches: whole ones up to the bound of a message. */
  after(position: Position): readonly LogEntry[] {
    const last = this.last.sequence;
    // As nearly always.
    if (position.sequence + 1 === last) return [this.#entry(last)];
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let at = position.sequence + 1; at <= last && bytes < limits.messageBytesMax; at++) {
      const entry = this.#entry(at);
      bytes += entry.content.length;
      entries.push(entry);
    }
    return entries;
  }

  /** Takes entries that follow each other; those it holds already stay, others replace what is pending. */
  merge(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      const { sequence } = entry;
      if (sequence <= this.#history.base.sequence) continue;
      if (sequence <= this.last.sequence) {
        const own = this.#entry(sequence);
        if (samePosition(own, entry)) {
          if (own.checksum === entry.checksum) continue;
          throw new InvariantError(`two entries ${positionText(own)} have other checksums`);
        }
        if (sequence <= this.applied.sequence) {
          throw new InvariantError(`the applied ${text(own)} would be replaced`);
        }
        this.#cut(sequence - 1);
      }
      this.append(entry);
    }
  }

  append(entry: LogEntry): void {
    if (entry.sequence !== this.last.sequence + 1) {
      throw new InvariantError(`a gap before ${text(entry)}`);
    }
    // An array that grows takes room for seventeen.
    if (this.#pending.length === 0) this.#pending = [entry];
    else this.#pending.push(entry);
  }

  /** Everything up to `sequence` is committed. Returns what is newly so. */
  apply(sequence: number): readonly LogEntry[] {
    const from = this.applied.sequence;
    if (sequence <= from) return none;
    if (sequence > this.last.sequence) throw new InvariantError(`nothing is held at ${sequence}`);
    let newly = this.#pending;
    if (newly.length > sequence - from) newly = newly.splice(0, sequence - from);
    else this.#pending = [];
    for (const entry of newly) this.#history.push(entry);
    this.#trim(from);
    return newly;
  }

  /** Position of a retained entry, or of the one before the first. */
  at(sequence: number): Position {
    const applied = this.applied.sequence;
    return sequence > applied ? this.#pendingAt(sequence) : this.#history.position(sequence);
  }

  /** Forgets all: a snapshot as of `position` takes its place. */
  reset(position: Position): void {
    this.#history = new History(position);
    this.#pending = [];
  }

  /** Forgets what is pending: only where a rule is broken on purpose. */
  dropPending(): void {
    this.#pending = [];
  }

  /** A retained entry. */
  #entry(sequence: number): LogEntry {
    const applied = this.applied.sequence;
    return sequence > applied ? this.#pendingAt(sequence) : this.#history.entry(sequence);
  }

  #pendingAt(sequence: number): LogEntry {
    const entry = this.#pending[sequence - this.applied.sequence - 1];
    if (entry === undefined) throw new InvariantError(`nothing is held at ${sequence}`);
    return entry;
  }

  /** Another leader's entries take the place of those after `sequence`. */
  #cut(sequence: number): void {
    this.#pending = this.#pending.slice(0, sequence - this.applied.sequence);
  }

  /** The batch just applied stays: a member of the set may have missed that it is committed. */
  #trim(keepAfter: number): void {
    const history = this.#history;
    while (history.bytes > this.#bytesMax && history.base.sequence < keepAfter) history.dropFirst();
  }
}

const none: readonly LogEntry[] = [];

const text = (position: Position): string => `entry ${positionText(position)}`;
