/**
 * Batches and snapshots between the arena and buffers of JavaScript: what keeps several copies of a
 * shard equal. The binary form is described in assembly/twin/effects.ts.
 */
import { EngineError } from './errors.ts';
import type { EngineExports } from './exports.ts';
import { engineLimits } from './limits.ts';
import type { Gathered, SealedBatch, SnapshotCut } from './types.ts';

const form = { batch: 1, cut: 2 } as const;
const batchHeaderBytes = 16;
const cutHeaderBytes = 40;
const longEntryBytes = 12;
/** Answers of the exports. */
const sealed = { busy: -1, nothing: 0 } as const;
const begun = { notNow: 0, notACopy: -1 } as const;
const malformed = -1;
/** An effect at its cheapest, for bounds: header and an empty key. */
const effectBytesMin = 10;
/**
 * What an effect may take beyond its own bytes: rounding of a short record, its slots in both sides of
 * a table that has just grown or split, and its entries of a log that has just doubled.
 */
const effectCostBytes = 160;
/** A table and a directory more for each side, whatever the number of effects. */
const contentCostBytes = 32_768;

interface Parts {
  readonly exports: EngineExports;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** The report of a thread's calls, in place. */
class Report implements Gathered {
  readonly #exports: EngineExports;
  readonly #thread: number;
  readonly #words: Uint32Array;
  readonly #max: number;
  constructor({ exports, memory, thread }: Parts) {
    this.#exports = exports;
    this.#thread = thread;
    this.#max = exports.gatheredMax();
    const at = exports.gatheredAddress(thread) >>> 0;
    this.#words = new Uint32Array(memory.buffer, at, this.#max * 2);
  }
  get count(): number {
    return this.#exports.gatheredCount(this.#thread);
  }
  get shards(): Uint32Array {
    return this.#words.subarray(0, this.count);
  }
  get batches(): Uint32Array {
    return this.#words.subarray(this.#max, this.#max + this.count);
  }
  /** Whether the next call into WebAssembly may add to it, whatever it touches. */
  get hasRoom(): boolean {
    return this.count <= this.#max / 2;
  }
}

export class Copies {
  readonly gathered: Report;
  readonly #exports: EngineExports;
  readonly #thread: number;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #window: number;

  constructor(parts: Parts) {
    const { exports, memory, thread } = parts;
    this.#exports = exports;
    this.#thread = thread;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#data = new DataView(memory.buffer);
    this.#window = exports.exchangeAddress(thread) >>> 0;
    this.gathered = new Report(parts);
  }

  seal(shard: number): SealedBatch | 'busy' | undefined {
    const exports = this.#exports;
    const result = exports.seal(this.#thread, shard);
    if (result === sealed.busy) return 'busy';
    if (result === sealed.nothing) return undefined;
    const content = Buffer.allocUnsafe(exports.contentBytesOf(shard) >>> 0);
    const entries = exports.entriesOf(shard) >>> 0;
    const before = exports.effectsOf(this.#thread);
    let at = batchHeaderBytes;
    for (let entry = 0; entry < entries; ) {
      entry = exports.encode(this.#thread, shard, entry) >>> 0;
      at = this.#takeWindow(content, at);
    }
    content.writeUint32LE(form.batch, 0);
    content.writeUint32LE((exports.effectsOf(this.#thread) - before) >>> 0, 4);
    content.writeBigUInt64LE(BigInt.asUintN(64, exports.lastSequenceOf(shard)), 8);
    if (at !== content.length) {
      throw new Error(`engine: a batch of ${content.length} bytes was written in ${at}`);
    }
    return {
      batch: exports.batchOf(shard) >>> 0,
      content,
      writers: BigInt.asUintN(64, exports.waitingOf(shard)),
      commands: exports.commandsOf(shard),
    };
  }

  /** Copies the window to `at` of a buffer, with long values where they belong; returns the end. */
  #takeWindow(to: Uint8Array, at: number): number {
    const end = this.#window + this.#exports.exchangeEnd(this.#thread);
    const long = this.#exports.exchangeLong(this.#thread);
    let from = this.#window;
    let next = at;
    for (let index = 1; index <= long; index++) {
      const { offset, address, length } = this.#longAt(index);
      to.set(this.#bytes.subarray(from, this.#window + offset), next);
      next += this.#window + offset - from;
      from = this.#window + offset;
      to.set(this.#bytes.subarray(address, address + length), next);
      next += length;
    }
    to.set(this.#bytes.subarray(from, end), next);
    return next + end - from;
  }

  /** Entry of the list of long values, from 1 on. */
  #longAt(index: number): { offset: number; address: number; length: number } {
    const at = this.#window + engineLimits.exchangeWindowBytes - index * longEntryBytes;
    return {
      offset: this.#data.getUint32(at, true),
      address: this.#data.getUint32(at + 4, true),
      length: this.#data.getUint32(at + 8, true),
    };
  }

  apply(shard: number, contents: readonly Uint8Array[]): boolean {
    const headers = contents.map(batchHeader);
    if (!this.#begin(shard)) return false;
    try {
      let sequence = 0n;
      for (const [index, content] of contents.entries()) {
        const { effects, version } = headers[index] ?? batchHeader(content);
        if (!this.#applyEffects(shard, content, batchHeaderBytes, effects, true)) {
          throw new EngineError(
            'OUT_OF_MEMORY',
            `no address space for ${content.length} bytes of a batch of shard ${shard}`,
          );
        }
        if (version > sequence) sequence = version;
      }
      this.#exports.applyEnd(this.#thread, shard, sequence);
    } catch (error) {
      this.#exports.applyGiveUp(this.#thread, shard);
      throw error;
    }
    return true;
  }

  costOf(content: Uint8Array): number {
    const { effects } = batchHeader(content);
    return Math.ceil(content.length * 1.125) + effects * effectCostBytes + contentCostBytes;
  }

  takeCut(shard: number, cursor: bigint, bytesMax: number): SnapshotCut {
    const exports = this.#exports;
    const most = Math.min(bytesMax, engineLimits.exchangeWindowBytes);
    if (exports.cut(this.#thread, shard, BigInt.asIntN(64, cursor), most) === 0) {
      throw new EngineError('INVALID_STATE', `there is no copy of shard ${shard} to cut`);
    }
    let bytes = exports.exchangeEnd(this.#thread);
    const long = exports.exchangeLong(this.#thread);
    for (let index = 1; index <= long; index++) bytes += this.#longAt(index).length;
    const cut = Buffer.allocUnsafeSlow(bytes);
    this.#takeWindow(cut, 0);
    for (let index = 1; index <= long; index++) {
      exports.unpin(this.#thread, this.#longAt(index).address);
    }
    return { cut, cursor: BigInt.asUintN(64, exports.cutCursor(this.#thread)) };
  }

  installCut(shard: number, cut: Uint8Array): 'installed' | 'out-of-memory' | 'busy' {
    const { effects, sequence, first, last, removal } = cutHeader(cut);
    if (!this.#begin(shard)) return 'busy';
    try {
      if (!this.#applyEffects(shard, cut, cutHeaderBytes, effects, false)) {
        this.#exports.applyGiveUp(this.#thread, shard);
        return 'out-of-memory';
      }
    } catch (error) {
      this.#exports.applyGiveUp(this.#thread, shard);
      throw error;
    }
    this.#exports.removals(shard, first, last, removal);
    this.#exports.applyEnd(this.#thread, shard, sequence);
    return 'installed';
  }

  #begin(shard: number): boolean {
    const result = this.#exports.applyBegin(this.#thread, shard);
    if (result === begun.notACopy) {
      throw new EngineError(
        'INVALID_STATE',
        `shard ${shard} is no copy to apply to: it is led here, has no copy, or an unresolved batch`,
      );
    }
    return result !== begun.notNow;
  }

  /** Effects of a content from `start` on. False: no memory. Throws what is wrong with the content. */
  #applyEffects(
    shard: number,
    content: Uint8Array,
    start: number,
    effects: number,
    must: boolean,
  ): boolean {
    const exports = this.#exports;
    const before = exports.effectsOf(this.#thread) >>> 0;
    for (let at = start; at < content.length; ) {
      const end = Math.min(content.length, at + engineLimits.exchangeWindowBytes);
      this.#bytes.set(content.subarray(at, end), this.#window);
      const behind = content.length - end;
      const taken = exports.apply(this.#thread, shard, end - at, behind, must ? 1 : 0);
      if (taken < 0) {
        if (taken === malformed) throw malformedError(`damaged in its effects from byte ${at} on`);
        return false;
      }
      at += taken;
      const rest = exports.fillBytes(this.#thread) >>> 0;
      const fill = exports.fillAddress(this.#thread) >>> 0;
      // The rest of a long value goes to its place at once, unless it is not wanted.
      if (fill !== 0) this.#bytes.set(content.subarray(at, at + rest), fill);
      at += rest;
      if (taken === 0) throw malformedError(`an effect at byte ${at} that does not end`);
    }
    const applied = ((exports.effectsOf(this.#thread) >>> 0) - before) >>> 0;
    if (applied !== effects) throw malformedError(`${applied} effects, its header says ${effects}`);
    return true;
  }
}

function malformedError(what: string): EngineError {
  return new EngineError('MALFORMED', `content of a shard: ${what}`);
}

function viewOf(bytes: Uint8Array, headerBytes: number, wanted: number): DataView {
  if (bytes.length < headerBytes) throw malformedError(`${bytes.length} bytes, too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // The form and three bytes that are 0.
  const found = view.getUint32(0, true);
  if (found !== wanted) throw malformedError(`form ${found}, known here is ${wanted}`);
  const effects = view.getUint32(4, true);
  if (effects * effectBytesMin > bytes.length - headerBytes) {
    throw malformedError(`${effects} effects do not fit into its ${bytes.length} bytes`);
  }
  return view;
}

function batchHeader(content: Uint8Array): { effects: number; version: bigint } {
  const view = viewOf(content, batchHeaderBytes, form.batch);
  return { effects: view.getUint32(4, true), version: view.getBigUint64(8, true) };
}

function cutHeader(cut: Uint8Array): {
  effects: number;
  sequence: bigint;
  first: bigint;
  last: bigint;
  removal: bigint;
} {
  const view = viewOf(cut, cutHeaderBytes, form.cut);
  return {
    effects: view.getUint32(4, true),
    sequence: view.getBigUint64(8, true),
    first: view.getBigUint64(16, true),
    last: view.getBigUint64(24, true),
    removal: view.getBigUint64(32, true),
  };
}
