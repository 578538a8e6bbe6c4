/**
 * Memory for entries that this node holds and has not applied yet. An acknowledgement says that they can be applied
 * (rule 4); applying may pass the engine's budget, so what counts is that the sum of all stays within it.
 */

import type { Engine } from '../engine/types.ts';
import type { LogEntry } from './core/position.ts';
import { engineOf } from './core/session-codec.ts';

export type MemoryEngine = Pick<Engine, 'costOf' | 'memoryStatistics'>;

/** Bytes of the arena for a byte of a cut, at most: small records have a header and a place in the index, twice. */
const cutCost = 4;

export class MemoryReserve {
  readonly #engine: MemoryEngine;
  /** By shard. Not a Map: one that is set and deleted from all the time leaves chains of tables behind. */
  readonly #reserved: number[] = [];
  #total = 0;
  #unused = 0;

  constructor(engine: MemoryEngine) {
    this.#engine = engine;
    this.refresh();
  }

  /** Bytes of the budget that nothing uses or has reserved, as of the last `refresh`. */
  get freeBytes(): number {
    return Math.max(0, this.#unused - this.#total);
  }

  /** To be called once a turn: messages of a turn are many. */
  refresh(): void {
    const { budget, used } = this.#engine.memoryStatistics();
    this.#unused = budget - used;
  }

  /** Reserves for all entries that a shard holds pending, in place of what it had; false: there is not enough. */
  take(shard: number, entries: readonly LogEntry[]): boolean {
    let bytes = 0;
    for (const { content } of entries) bytes += this.#engine.costOf(engineOf(content));
    const before = this.#reserved[shard] ?? 0;
    if (bytes > before && bytes > this.freeBytes + before) return false;
    this.#reserved[shard] = bytes;
    this.#total += bytes - before;
    return true;
  }

  /** Whether a part of a snapshot can be installed: records take more than their bytes. */
  fits(cut: Uint8Array): boolean {
    return cut.length * cutCost <= this.freeBytes;
  }

  /** They are applied, or gone. */
  release(shard: number): void {
    this.#total -= this.#reserved[shard] ?? 0;
    this.#reserved[shard] = 0;
  }
}
