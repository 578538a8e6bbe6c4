/** What the last call of a thread said: views of its registers in the arena, read when they are asked for. */
import { type EngineExports, Register } from './exports.ts';
import type { ExecuteResult, ParkReason } from './types.ts';

export class Result implements ExecuteResult {
  private readonly registers: Uint32Array;
  private readonly exports: EngineExports;
  private readonly thread: number;
  private readonly memory: WebAssembly.Memory;
  base = 0;
  constructor(exports: EngineExports, memory: WebAssembly.Memory, thread: number) {
    this.exports = exports;
    this.memory = memory;
    this.thread = thread;
    this.registers = new Uint32Array(memory.buffer, exports.registersAddress(thread) >>> 0, 12);
  }
  private register(index: number): number {
    return this.registers[index] ?? 0;
  }
  get consumed(): number {
    return this.register(Register.consumed) - this.base;
  }
  get outputEnd(): number {
    return this.register(Register.outputEnd);
  }
  get needed(): number {
    return this.register(Register.needed);
  }
  get command(): number {
    return this.register(Register.command) | 0;
  }
  get shard(): number {
    return this.register(Register.shard);
  }
  get reason(): ParkReason {
    return this.register(Register.reason) as ParkReason;
  }
  get address(): number {
    return this.register(Register.address);
  }
  get length(): number {
    return this.register(Register.length);
  }
  /** The parked shard's publication counter, for waiting. */
  get seen(): number {
    return this.register(Register.seen);
  }
  get draining(): boolean {
    return this.register(Register.draining) === 1;
  }
  get commands(): number {
    return this.register(Register.commands);
  }
  get arguments(): readonly Uint8Array[] {
    const count = this.exports.argumentCount(this.thread) >>> 0;
    const at = this.exports.argumentsAddress(this.thread) >>> 0;
    const pairs = new Uint32Array(this.memory.buffer, at, count * 2);
    const views: Uint8Array[] = [];
    for (let index = 0; index < count; index++) {
      views.push(
        new Uint8Array(this.memory.buffer, pairs[index * 2] ?? 0, pairs[index * 2 + 1] ?? 0),
      );
    }
    return views;
  }
}
