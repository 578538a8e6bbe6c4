/**
 * Batches and snapshots between the arena and buffers of JavaScript: what keeps several copies of a
 * shard equal. The binary form is described in assembly/twin/effects.ts.
 */
import { EngineError } from './errors.ts';
import { type EngineExports, Exchange, exchangeRegisterCount } from './exports.ts';
import { engineLimits } from './limits.ts';
import type { Gathered, SealedBatch, SnapshotCut } from './types.ts';

const form = { batch: 1, cut: 2 } as const;
const batchHeaderBytes = 16;
const cutHeaderBytes = 40;
const longEntryBytes = 12;
/** Answers of the exports. */
const sealed = { busy: -1, nothing: 0 } as const;
const begun = { done: 1, notNow: 0, notACopy: -1 } as const;
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
  readonly #max: number;
  readonly shards: Uint32Array;
  readonly batches: Uint32Array;
  constructor({ exports, memory, thread }: Parts) {
    this.#exports = exports;
    this.#thread = thread;
    this.#max = exports.gatheredMax();
    const at = exports.gatheredAddress(thread) >>> 0;
    this.shards = new Uint32Array(memory.buffer, at, this.#max);
    this.batches = new Uint32Array(memory.buffer, at + this.#max * 4, this.#max);
  }
  get count(): number {
    return this.#exports.gatheredCount(this.#thread);
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
  readonly #registers: Uint32Array;

  constructor(parts: Parts) {
    const { exports, memory, thread } = parts;
    this.#exports = exports;
    this.#thread = thread;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#data = new DataView(memory.buffer);
    this.#window = exports.exchangeAddress(thread) >>> 0;
    this.#registers = new Uint32Array(
      memory.buffer,
      exports.exchangeRegisters(thread) >>> 0,
      exchangeRegisterCount,
    );
    this.gathered = new Report(parts);
  }

  seal(shard: number): SealedBatch | 'busy' | undefined {
    const exports = this.#exports;
    const result = exports.seal(this.#thread, shard);
    if (result === sealed.busy) return 'busy';
    if (result === sealed.nothing) return undefined;
    const registers = this.#registers;
    const content = Buffer.allocUnsafe(registers[Exchange.bytes] ?? 0);
    let at = this.#takeWindow(content, 0);
    while ((registers[Exchange.next] ?? 0) < (registers[Exchange.entries] ?? 0)) {
      exports.encode(this.#thread, shard);
      at = this.#takeWindow(content, at);
    }
    if (at !== content.length) {
      throw new Error(`engine: a batch of ${content.length} bytes was written in ${at}`);
    }
    const high = registers[Exchange.waitingHigh] ?? 0;
    const low = BigInt(registers[Exchange.waitingLow] ?? 0);
    return {
      batch: registers[Exchange.batch] ?? 0,
      content,
      writers: high === 0 ? low : (BigInt(high) << 32n) | low,
      commands: registers[Exchange.commands] ?? 0,
    };
  }

  /** Copies the window to `at` of a buffer, with long values where they belong; returns the end. */
  #takeWindow(to: Uint8Array, at: number): number {
    const end = this.#window + (this.#registers[Exchange.end] ?? 0);
    const long = this.#registers[Exchange.long] ?? 0;
    let from = this.#window;
    let next = at;
    if (long === 0 && end - from <= engineLimits.loopCopyBytesMax) {
      const bytes = this.#bytes;
      while (from < end) to[next++] = bytes[from++] as number;
      return next;
    }
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
    const [only] = contents;
    if (contents.length === 1 && only !== undefined && this.#fits(only)) {
      return this.#applyWhole(shard, only);
    }
    return this.#applyAll(shard, contents);
  }

  #fits({ length }: Uint8Array): boolean {
    return length >= batchHeaderBytes && length <= engineLimits.exchangeWindowBytes;
  }

  /** The usual one: an entry of the log that fits into the window. */
  #applyWhole(shard: number, content: Uint8Array): boolean {
    this.#expectSpace(shard, this.costOf(content));
    this.#bytes.set(content, this.#window);
    const result = this.#exports.applyContent(this.#thread, shard, content.length);
    // What is wrong with it is found again, and told, where it is taken piece by piece.
    if (result < 0) return this.#applyAll(shard, [content]);
    return result === begun.done;
  }

  #applyAll(shard: number, contents: readonly Uint8Array[]): boolean {
    const headers = contents.map(batchHeader);
    this.#expectSpace(
      shard,
      contents.reduce((sum, content) => sum + this.costOf(content), 0),
    );
    if (!this.#begin(shard)) return false;
    try {
      let sequence = 0n;
      for (const [index, content] of contents.entries()) {
        const { effects, version } = headers[index] ?? batchHeader(content);
        if (!this.#applyEffects(shard, content, batchHeaderBytes, effects, true)) {
          throw spaceError(shard, content.length);
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

  /** Beyond the budget is the address space, and some of that is kept for what cannot be refused any more. */
  #expectSpace(shard: number, bytes: number): void {
    if (this.#exports.hasSpaceFor(bytes) === 0) throw spaceError(shard, bytes);
  }

  costOf(content: Uint8Array): number {
    const effects = effectsIn(content, batchHeaderBytes, form.batch);
    return Math.ceil(content.length * 1.125) + effects * effectCostBytes + contentCostBytes;
  }

  takeCut(shard: number, cursor: bigint, bytesMax: number): SnapshotCut {
    const exports = this.#exports;
    const most = Math.min(bytesMax, engineLimits.exchangeWindowBytes);
    if (exports.cut(this.#thread, shard, BigInt.asIntN(64, cursor), most) === 0) {
      throw new EngineError('INVALID_STATE', `there is no copy of shard ${shard} to cut`);
    }
    let bytes = this.#registers[Exchange.end] ?? 0;
    const long = this.#registers[Exchange.long] ?? 0;
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

function spaceError(shard: number, bytes: number): EngineError {
  return new EngineError(
    'OUT_OF_MEMORY',
    `no address space for ${bytes} bytes more of shard ${shard}`,
  );
}

function malformedError(what: string): EngineError {
  return new EngineError('MALFORMED', `content of a shard: ${what}`);
}

/** Number of effects that a content's header tells, if it can be. */
function effectsIn(bytes: Uint8Array, headerBytes: number, wanted: number): number {
  if (bytes.length < headerBytes) throw malformedError(`${bytes.length} bytes, too few`);
  // The form and three bytes that are 0.
  const found = wordAt(bytes, 0);
  if (found !== wanted) throw malformedError(`form ${found}, known here is ${wanted}`);
  const effects = wordAt(bytes, 4);
  if (effects * effectBytesMin > bytes.length - headerBytes) {
    throw malformedError(`${effects} effects do not fit into its ${bytes.length} bytes`);
  }
  return effects;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  return ((high << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at] ?? 0)) >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function batchHeader(content: Uint8Array): { effects: number; version: bigint } {
  const effects = effectsIn(content, batchHeaderBytes, form.batch);
  return { effects, version: viewOf(content).getBigUint64(8, true) };
}

function cutHeader(cut: Uint8Array): {
  effects: number;
  sequence: bigint;
  first: bigint;
  last: bigint;
  removal: bigint;
} {
  const effects = effectsIn(cut, cutHeaderBytes, form.cut);
  const view = viewOf(cut);
  return {
    effects,
    sequence: view.getBigUint64(8, true),
    first: view.getBigUint64(16, true),
    last: view.getBigUint64(24, true),
    removal: view.getBigUint64(32, true),
  };
}
