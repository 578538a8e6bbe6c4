/**
 * Bytes of a connection that wait: a begun command, or whole ones behind a command that waits for its
 * shard. Short ones stand in the heap, long ones in a buffer of the arena; both are counted, for each
 * thread, so that many slow senders can't take the process' memory.
 */
import type { Engine } from '../engine/types.ts';
import { frameEnd } from './frame.ts';
import { serverLimits } from './limits.ts';
import type { ThreadStatistics } from './statistics.ts';

/** The bounds that all connections of a thread share. */
export class InputAllowance {
  readonly engine: Engine;
  readonly statistics: ThreadStatistics;
  readonly #arenaBytesMax: number;
  #localBytes = 0;
  #arenaBytes = 0;

  constructor(engine: Engine, statistics: ThreadStatistics) {
    this.engine = engine;
    this.statistics = statistics;
    const { budgetBytes, threads, valueBytesMax } = engine.arena.options;
    // Two of the longest commands always fit, however small the budget.
    this.#arenaBytesMax = Math.max(
      (budgetBytes * serverLimits.heldArenaShare) / threads,
      2 * (valueBytesMax + serverLimits.commandOverheadBytes),
    );
  }

  takeLocal(bytes: number): boolean {
    if (bytes > 0 && this.#localBytes + bytes > serverLimits.heldTotalLocalBytesMax) {
      return false;
    }
    this.#localBytes += bytes;
    this.statistics.set('heldLocalBytes', this.#localBytes);
    return true;
  }

  takeArena(bytes: number): boolean {
    if (bytes > 0 && this.#arenaBytes + bytes > this.#arenaBytesMax) {
      return false;
    }
    this.#arenaBytes += bytes;
    this.statistics.set('heldArenaBytes', this.#arenaBytes);
    return true;
  }
}

const nothing = new Uint8Array(0);

export class HeldInput {
  readonly #allowance: InputAllowance;
  #local = nothing;
  #address = 0;
  #capacity = 0;
  #length = 0;
  #memoryIsFull = false;

  constructor(allowance: InputAllowance) {
    this.#allowance = allowance;
  }

  get length(): number {
    return this.#length;
  }

  /** Arena address, or 0 while the bytes stand in the heap. */
  get address(): number {
    return this.#address;
  }

  /** Why the last bytes were not added, as it is told to the client. */
  get refusal(): string {
    return this.#memoryIsFull
      ? "OOM command not allowed when used memory > 'maxmemory'."
      : 'BUSY too many long commands are being received, try again later';
  }

  /** False: a bound is reached and nothing was added. */
  append(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    const room = this.#address === 0 ? this.#local.length : this.#capacity;
    if (length > room && !this.#grow(length)) {
      return false;
    }
    this.view(0, length).set(bytes, this.#length);
    this.#length = length;
    return true;
  }

  /** Bytes [start, end) as they stand; valid until the next change. */
  view(start: number, end: number): Uint8Array {
    return this.#address === 0
      ? this.#local.subarray(start, end)
      : this.#allowance.engine.view(this.#address + start, end - start);
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    const rest = this.#length - count;
    if (rest > 0) {
      this.view(0, this.#length).copyWithin(0, count);
    }
    this.#length = rest;
    if (rest === 0) {
      this.#release(serverLimits.heldKeptBytesMax);
    }
  }

  /** Forgets the first command, which is whole. */
  dropCommand(): void {
    const end = frameEnd(this.view(0, this.length), 0, this.length);
    if (end < 0) {
      throw new Error('a command that waits is not whole');
    }
    this.drop(end);
  }

  /** Moves all bytes to the front of `target`, which has room. Returns their number. */
  moveTo(target: Uint8Array): number {
    const length = this.#length;
    target.set(this.view(0, length));
    this.drop(length);
    return length;
  }

  free(): void {
    this.#length = 0;
    this.#release(0);
  }

  /** Keeps a small buffer of the heap, so that a stream of small commands allocates nothing. */
  #release(keptBytesMax: number): void {
    const { engine } = this.#allowance;
    if (this.#address !== 0) {
      engine.freeBuffer(this.#address);
      this.#allowance.takeArena(-this.#capacity);
      this.#address = 0;
      this.#capacity = 0;
    }
    if (this.#local.length > keptBytesMax) {
      this.#allowance.takeLocal(-this.#local.length);
      this.#local = nothing;
    }
  }

  /** Doubles, so that a command that comes in many pieces is copied once for each byte, not each piece. */
  #grow(length: number): boolean {
    let capacity = 128;
    while (capacity < length) {
      capacity *= 2;
    }
    return capacity <= serverLimits.heldLocalBytesMax && this.#address === 0
      ? this.#growLocal(capacity)
      : this.#growArena(capacity);
  }

  #growLocal(capacity: number): boolean {
    if (!this.#allowance.takeLocal(capacity - this.#local.length)) {
      return false;
    }
    const next = new Uint8Array(capacity);
    next.set(this.#local.subarray(0, this.#length));
    this.#local = next;
    return true;
  }

  #growArena(capacity: number): boolean {
    const { engine } = this.#allowance;
    this.#memoryIsFull = false;
    if (!this.#allowance.takeArena(capacity)) {
      return false;
    }
    const address = engine.allocateBuffer(capacity);
    this.#memoryIsFull = address === 0;
    if (address === 0) {
      this.#allowance.takeArena(-capacity);
      return false;
    }
    engine.view(address, this.#length).set(this.view(0, this.#length));
    this.#release(0);
    this.#address = address;
    this.#capacity = capacity;
    return true;
  }
}
