/**
 * Applied entries that a replica keeps for others, as bytes: a busy node has hundreds of thousands of them, and objects
 * that live for minutes are what a garbage collector has most work with.
 */

import { InvariantError } from './assert.ts';
import type { Epoch } from './identity.ts';
import { limits } from './limits.ts';
import { type LogEntry, type Position, positionText } from './position.ts';

/** Entries that follow each other; `ends[i]` is where the content of the i-th ends. */
interface Segment {
  /** Sequence of the first entry. */
  readonly first: number;
  count: number;
  readonly bytes: Uint8Array;
  readonly epochs: Float64Array;
  readonly checksums: Uint32Array;
  readonly ends: Uint32Array;
}

export class History {
  /** Oldest first. */
  readonly #segments: Segment[] = [];
  /** The entry before the first one that is kept. */
  #base: Position;
  #last: Position;
  #bytes = 0;

  constructor(base: Position) {
    this.#base = base;
    this.#last = base;
  }

  get base(): Position {
    return this.#base;
  }

  get last(): Position {
    return this.#last;
  }

  /** That the entries take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entry after the last one; its content is copied. */
  push({ epoch, sequence, content, checksum }: LogEntry): void {
    const segment = this.#segmentFor(sequence, content.length);
    const { count } = segment;
    const from = endOf(segment, count - 1);
    segment.bytes.set(content, from);
    segment.epochs[count] = epoch;
    segment.checksums[count] = checksum;
    segment.ends[count] = from + content.length;
    segment.count = count + 1;
    this.#bytes += bytesOf(content.length);
    this.#last = { epoch, sequence };
  }

  /** Of an entry that is kept, or of the one before the first. */
  position(sequence: number): Position {
    // As nearly always: followers stand where the last entry does.
    if (sequence === this.#last.sequence) return this.#last;
    if (sequence === this.#base.sequence) return this.#base;
    const segment = this.#segmentWith(sequence);
    return { epoch: segment.epochs[sequence - segment.first] as Epoch, sequence };
  }

  /** Its content is a view: what stands in a segment never changes. */
  entry(sequence: number): LogEntry {
    const segment = this.#segmentWith(sequence);
    const index = sequence - segment.first;
    return {
      epoch: segment.epochs[index] as Epoch,
      sequence,
      content: segment.bytes.subarray(endOf(segment, index - 1), endOf(segment, index)),
      checksum: segment.checksums[index] as number,
    };
  }

  /** Forgets the oldest entry. */
  dropFirst(): void {
    const sequence = this.#base.sequence + 1;
    const position = this.position(sequence);
    const segment = this.#segments[0] as Segment;
    const index = sequence - segment.first;
    this.#bytes -= bytesOf(endOf(segment, index) - endOf(segment, index - 1));
    if (index === segment.count - 1) this.#segments.shift();
    this.#base = position;
  }

  #segmentWith(sequence: number): Segment {
    if (sequence > this.#base.sequence && sequence <= this.#last.sequence) {
      // What is asked for is nearly always new.
      for (let index = this.#segments.length - 1; index >= 0; index--) {
        const segment = this.#segments[index] as Segment;
        if (segment.first <= sequence) return segment;
      }
    }
    throw new InvariantError(`no entry ${sequence} is kept after ${positionText(this.#base)}`);
  }

  /** One with room for an entry. They grow: a shard that is written to now and then needs little. */
  #segmentFor(sequence: number, bytes: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined) {
      const room = last.bytes.length - endOf(last, last.count - 1);
      if (last.count < last.ends.length && bytes <= room) return last;
    }
    const { segmentEntriesFirst, segmentEntries } = limits;
    const before = last?.ends.length ?? segmentEntriesFirst / 2;
    const entries = Math.min(before * 2, segmentEntries);
    const segment = {
      first: sequence,
      count: 0,
      bytes: new Uint8Array(Math.max(entries * limits.segmentEntryBytes, bytes)),
      epochs: new Float64Array(entries),
      checksums: new Uint32Array(entries),
      ends: new Uint32Array(entries),
    };
    this.#segments.push(segment);
    return segment;
  }
}

const bytesOf = (contentBytes: number): number => contentBytes + limits.entryBytesExtra;

/** Of the entry at `index`; -1: where the first one begins. */
const endOf = ({ ends }: Segment, index: number): number =>
  index < 0 ? 0 : (ends[index] as number);
