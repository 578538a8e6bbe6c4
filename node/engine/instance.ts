/** One thread's way into an arena: the `Engine` of types.ts over the WebAssembly exports. */
import { commands } from './commands.ts';
import { Copies } from './copies.ts';
import { EngineError } from './errors.ts';
import { type EngineExports, instantiate } from './exports.ts';
import { matchesGlob } from './glob.ts';
import { engineLimits } from './limits.ts';
import { operationBytes, readResult, writeOperation } from './operations.ts';
import { Result } from './result.ts';
import { controlBlock, publishServing, readServing } from './serving.ts';
import {
  type Arena,
  type Engine,
  type Gathered,
  type MemoryKind,
  type Operation,
  type OperationResult,
  ParkReason,
  type ScanOptions,
  type ScanResult,
  type SealedBatch,
  type Serving,
  type SnapshotCut,
  Stop,
} from './types.ts';

/** Index of `operationStatuses` that a scan returns. */
const scanStatuses: Readonly<Record<number, ScanResult['status']>> = {
  0: 'ok',
  8: 'not-leader',
  9: 'park',
};
const scanEntryBytes = 32;
/** Wait for readers to leave an old side: nobody signals that, and it takes microseconds. */
const drainWaitMs = 1;

/** What a parked caller waits on. */
interface Parked {
  readonly seen: number;
  readonly draining: boolean;
}

export class WasmEngine implements Engine {
  readonly arena: Arena;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  readonly result: Result;
  private readonly thread: number;
  private readonly exports: EngineExports;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly data: DataView;
  private readonly inputAddress: number;
  private readonly outputAddress: number;
  private readonly parked = new Map<number, Parked>();
  private readonly copies: Copies;

  constructor(arena: Arena, thread: number) {
    this.arena = arena;
    this.thread = thread;
    this.exports = instantiate(arena.module, arena.memory);
    if (this.exports.isReady() === 0) {
      throw new EngineError(
        'INVALID_STATE',
        'the arena is not set up: createArena must return first',
      );
    }
    const buffer = arena.memory.buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.data = new DataView(buffer);
    this.inputAddress = this.exports.inputAddress(thread) >>> 0;
    this.outputAddress = this.exports.outputAddress(thread) >>> 0;
    this.input = new Uint8Array(buffer, this.inputAddress, engineLimits.inputWindowBytes);
    this.output = new Uint8Array(buffer, this.outputAddress, engineLimits.outputWindowBytes);
    this.result = new Result(this.exports, arena.memory, thread);
    this.copies = new Copies({ exports: this.exports, memory: arena.memory, thread });
  }

  openConnection(): number {
    return this.exports.openConnection(this.thread) >>> 0;
  }

  closeConnection(connection: number): void {
    this.exports.closeConnection(this.thread, connection);
  }

  setProtocol(connection: number, version: 2 | 3): void {
    this.exports.setProtocol(connection, version);
  }

  setReadOnly(connection: number, readOnly: boolean): void {
    this.exports.setReadOnly(connection, readOnly ? 1 : 0);
  }

  settleConnection(connection: number): void {
    this.exports.settleConnection(connection);
  }

  execute(
    connection: number,
    base: number,
    start: number,
    end: number,
    outputStart: number,
    nowMs: number,
    monotonicMs: number,
  ): Stop {
    this.result.base = base;
    const stop = this.exports.execute(
      this.thread,
      connection,
      base + start,
      base + end,
      outputStart,
      nowMs,
      monotonicMs,
    ) as Stop;
    if (stop === Stop.Park) {
      const { shard, seen, draining } = this.result;
      this.parked.set(shard, { seen, draining });
    }
    return stop;
  }

  loadAhead(starts: number, chunks: number): void {
    this.exports.loadAhead(this.thread, starts, chunks);
  }

  allocateBuffer(bytes: number): number {
    return this.exports.allocateBuffer(this.thread, bytes) >>> 0;
  }

  freeBuffer(address: number): void {
    this.exports.freeBuffer(this.thread, address);
  }

  view(address: number, length: number): Uint8Array {
    return new Uint8Array(this.arena.memory.buffer, address, length);
  }

  unpin(address: number): void {
    this.exports.unpin(this.thread, address);
  }

  batch(operations: readonly Operation[], nowMs: number, monotonicMs: number): OperationResult[] {
    const results: OperationResult[] = [];
    this.exports.beginReport(this.thread);
    let done = 0;
    while (done < operations.length) {
      const first = operations[done];
      if (first === undefined) break;
      const { keyBytesMax, valueBytesMax } = this.arena.options;
      const valueLength = 'value' in first ? first.value.length : 0;
      if (operationBytes(first) <= this.input.length) {
        done += this.batchFromWindow(operations, done, results, nowMs, monotonicMs);
      } else if (first.key.length > keyBytesMax || valueLength > valueBytesMax) {
        // Not worth a copy into the arena. The shard's number does not matter to a refusal.
        results.push({ status: 'too-large', shard: 0 });
        done++;
      } else {
        results.push(this.batchFromBuffer(first, nowMs, monotonicMs));
        done++;
      }
      if (results.length < operations.length && !this.copies.gathered.hasRoom) {
        results.push(this.parkForReport(results));
      }
      const parked = results.at(-1);
      if (parked?.status !== 'park') continue;
      // Unexecuted too: an operation behind a parked one of its shard must not overtake it.
      while (results.length < operations.length) results.push(parked);
      break;
    }
    return results;
  }

  /** The call has touched more batches than it can report: what is left comes with another one, at once. */
  private parkForReport(results: readonly OperationResult[]): OperationResult {
    const shard = results.at(-1)?.shard ?? 0;
    this.parked.set(shard, { seen: this.exports.listen(shard) - 1, draining: false });
    return { status: 'park', shard, reason: ParkReason.Busy };
  }

  private batchFromWindow(
    operations: readonly Operation[],
    from: number,
    results: OperationResult[],
    nowMs: number,
    monotonicMs: number,
  ): number {
    let end = 0;
    let next = from;
    for (; next < operations.length; next++) {
      const operation = operations[next];
      if (operation === undefined) break;
      const bytes = operationBytes(operation);
      if (end + bytes > this.input.length) break;
      writeOperation(this.data, this.bytes, this.inputAddress + end, operation);
      end += bytes;
    }
    this.runBatch(this.inputAddress, this.inputAddress + end, results, nowMs, monotonicMs);
    return next - from;
  }

  /** One operation that is longer than the input window. */
  private batchFromBuffer(
    operation: Operation,
    nowMs: number,
    monotonicMs: number,
  ): OperationResult {
    const bytes = operationBytes(operation);
    const buffer = this.allocateBuffer(bytes);
    if (buffer === 0) return { status: 'out-of-memory', shard: 0 };
    const results: OperationResult[] = [];
    writeOperation(this.data, this.bytes, buffer, operation);
    this.runBatch(buffer, buffer + bytes, results, nowMs, monotonicMs);
    this.freeBuffer(buffer);
    const result = results[0];
    if (result === undefined) throw new Error('engine: an operation without a result');
    return result;
  }

  private runBatch(
    start: number,
    end: number,
    results: OperationResult[],
    nowMs: number,
    monotonicMs: number,
  ): void {
    this.result.base = 0;
    for (let at = start; at < end; at = this.result.consumed) {
      this.exports.batch(this.thread, at, end, nowMs, monotonicMs);
      const last = this.outputAddress + this.result.outputEnd;
      for (let from = this.outputAddress; from < last; ) {
        const { result, length, pinned, seen } = readResult(this.data, this.bytes, from);
        if (pinned !== 0) this.unpin(pinned);
        if (result.status === 'park') this.parked.set(result.shard, { seen, draining: false });
        results.push(result);
        from += length;
      }
      if (results.at(-1)?.status === 'park' || !this.copies.gathered.hasRoom) return;
    }
  }

  scan(
    shard: number,
    cursor: bigint,
    options: ScanOptions,
    nowMs: number,
    monotonicMs: number,
  ): ScanResult {
    const status = this.exports.scan(
      this.thread,
      shard,
      cursor,
      options.keysMax,
      Math.min(options.bytesMax, engineLimits.outputWindowBytes),
      options.withValues ? 1 : 0,
      nowMs,
      monotonicMs,
    );
    const word = scanStatuses[status];
    if (word === undefined) throw new Error(`engine: unknown scan status ${status}`);
    if (word !== 'ok') return { status: word, cursor, entries: [] };
    const entries: ScanResult['entries'][number][] = [];
    const end = this.outputAddress + this.result.outputEnd;
    for (let at = this.outputAddress; at < end; ) at = this.readScanned(at, options, entries);
    return { status: word, cursor: this.exports.scanCursor(this.thread), entries };
  }

  private readScanned(
    at: number,
    options: ScanOptions,
    entries: ScanResult['entries'][number][],
  ): number {
    const { data, bytes } = this;
    const keyLength = data.getUint32(at, true);
    const valueLength = data.getUint32(at + 4, true);
    const expireAtMs = Number(data.getBigInt64(at + 16, true));
    const pinned = data.getUint32(at + 24, true);
    const keyAt = at + scanEntryBytes;
    const key = bytes.slice(keyAt, keyAt + keyLength);
    if (options.match === undefined || matchesGlob(options.match, key)) {
      const valueAt = pinned === 0 ? keyAt + keyLength : pinned;
      entries.push({
        key,
        version: data.getBigUint64(at + 8, true),
        ...(options.withValues ? { value: bytes.slice(valueAt, valueAt + valueLength) } : {}),
        ...(expireAtMs >= 0 ? { expireAtMs } : {}),
      });
    }
    if (pinned !== 0) this.unpin(pinned);
    return keyAt + ((keyLength + (pinned === 0 ? valueLength : 0) + 7) & ~7);
  }

  get gathered(): Gathered {
    return this.copies.gathered;
  }

  createShard(shard: number): void {
    const made = this.exports.createShard(this.thread, shard);
    if (made < 0) {
      throw new EngineError('INVALID_STATE', `shard ${shard} is being dropped: to its end first`);
    }
    if (made === 0) {
      throw new EngineError('OUT_OF_MEMORY', `no memory for shard ${shard} within the budget`);
    }
  }

  dropShard(shard: number, recordsMax: number): boolean {
    const result = this.exports.dropShard(this.thread, shard, recordsMax);
    if (result < 0) {
      throw new EngineError('INVALID_STATE', `shard ${shard} leads: publish another role first`);
    }
    return result === 1;
  }

  publish(shard: number, serving: Serving): void {
    publishServing(this.exports, shard, serving);
  }

  serving(shard: number): Serving {
    return readServing(this.data, this.exports.shardAddress(shard) >>> 0);
  }

  setRedirect(shard: number, address: string | undefined): void {
    const text = new TextEncoder().encode(address ?? '');
    if (text.length > engineLimits.redirectBytesMax) {
      throw new EngineError(
        'INVALID_OPTIONS',
        `redirect of shard ${shard} has ${text.length} bytes, at most ${engineLimits.redirectBytesMax}`,
      );
    }
    const at = this.exports.beginRedirect(shard) >>> 0;
    this.bytes.set(text, at);
    this.exports.endRedirect(shard, text.length);
  }

  async waitForShard(shard: number, timeoutMs: number): Promise<void> {
    const parked = this.parked.get(shard);
    this.parked.delete(shard);
    const index = ((this.exports.shardAddress(shard) >>> 0) + controlBlock.publication) >> 2;
    const seen = parked?.seen ?? this.exports.listen(shard);
    const wait = parked?.draining === true ? Math.min(timeoutMs, drainWaitMs) : timeoutMs;
    const waited = Atomics.waitAsync(this.words, index, seen | 0, wait);
    if (!waited.async) return;
    // A pending waitAsync does not keep a thread's event loop alive, not even till its time-out.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, wait);
    });
    await Promise.race([waited.value, timeout]);
    clearTimeout(timer);
  }

  sweep(shards: readonly number[], recordsMax: number, nowMs: number): number {
    this.exports.beginReport(this.thread);
    let removed = this.exports.sweepRing(this.thread, recordsMax, nowMs);
    for (const shard of shards) {
      this.exports.settleShard(this.thread, shard);
      if (removed >= recordsMax || !this.copies.gathered.hasRoom) continue;
      removed += this.exports.sweep(this.thread, shard, recordsMax - removed, nowMs);
    }
    return removed;
  }

  isQuiet(shard: number): boolean {
    return this.exports.isQuiet(shard) !== 0;
  }

  setReplicated(shard: number, replicated: boolean): boolean {
    return this.exports.setReplicated(this.thread, shard, replicated ? 1 : 0) !== 0;
  }

  seal(shard: number): SealedBatch | 'busy' | undefined {
    return this.copies.seal(shard);
  }

  batchNumber(shard: number): number {
    return this.exports.batchOf(shard) >>> 0;
  }

  commit(shard: number): boolean {
    return this.exports.commit(this.thread, shard) !== 0;
  }

  rollback(shard: number): boolean {
    return this.exports.rollback(this.thread, shard) !== 0;
  }

  apply(shard: number, contents: readonly Uint8Array[]): boolean {
    return this.copies.apply(shard, contents);
  }

  costOf(content: Uint8Array): number {
    return this.copies.costOf(content);
  }

  takeCut(shard: number, cursor: bigint, bytesMax: number): SnapshotCut {
    return this.copies.takeCut(shard, cursor, bytesMax);
  }

  installCut(shard: number, cut: Uint8Array): 'installed' | 'out-of-memory' | 'busy' {
    return this.copies.installCut(shard, cut);
  }

  shardStatistics(shard: number): ReturnType<Engine['shardStatistics']> {
    return {
      keys: this.exports.keysOf(shard) >>> 0,
      bytes: this.exports.bytesOf(shard),
      expiring: this.exports.expiringOf(shard) >>> 0,
      sequence: BigInt.asUintN(64, this.exports.sequenceOf(shard)),
    };
  }

  memoryStatistics(): Readonly<Record<MemoryKind, number>> {
    return {
      budget: this.arena.options.budgetBytes,
      used: this.exports.usedMemory(),
      records: this.exports.memoryOf(0),
      index: this.exports.memoryOf(1),
      buffers: this.exports.memoryOf(2),
      reserved: this.arena.memory.buffer.byteLength,
    };
  }

  commandStatistics(): readonly { readonly calls: number; readonly errors: number }[] {
    return commands.map((_, index) => ({
      calls: this.exports.callsOf(index),
      errors: this.exports.errorsOf(index),
    }));
  }

  expiredKeys(): number {
    return this.exports.expiredKeys();
  }

  /** Gives this thread's spare objects back to the arena: before it ends, and for exact figures. */
  flush(): void {
    this.exports.flush(this.thread);
  }
}
