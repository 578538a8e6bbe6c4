/**
 * Short chunks of one turn of the event loop, before they run. Without pipelines some 30 sockets have one command
 * each when the thread looks: they are put one behind the other, what they will touch is loaded
 * into the caches for all at once (`Engine.loadAhead`), then each runs and the replies leave. Longer chunks
 * run at once: they have runs of their own to load ahead.
 */
import type { Engine } from '../engine/types.ts';
import type { Clock } from './clock.ts';
import { serverLimits } from './limits.ts';
import type { Outbox } from './outbox.ts';
import type { ThreadStatistics } from './statistics.ts';
import { Turn } from './turn.ts';

/** What the intake must know of a connection. */
export interface Sender {
  /** Set by the intake while a chunk of this connection waits in it. */
  taken: boolean;
  /** Runs the `length` bytes at arena address `base`; returns how many commands have their replies. */
  runTaken(base: number, length: number, nowMs: number, monotonicMs: number): number;
}

export interface IntakeContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly statistics: ThreadStatistics;
  readonly turn?: Turn;
}

const { intakeBytes, intakeChunkBytesMax, intakeChunksMax } = serverLimits;

export class Intake {
  readonly #context: IntakeContext;
  readonly #address: number;
  readonly #bytes: Uint8Array;
  /** Where each chunk begins, and the last one ends: arena addresses. */
  readonly #starts: Uint32Array;
  readonly #startsAddress: number;
  readonly #senders: (Sender | undefined)[] = [];
  #count = 0;
  #end = 0;
  #arrivedMs = 0;
  #scheduled = false;
  readonly #ask: () => void;

  constructor(context: IntakeContext) {
    const { engine, turn = new Turn() } = context;
    this.#context = context;
    this.#ask = turn.on('run', () => {
      this.#scheduled = false;
      this.run();
    });
    const bytes = intakeBytes + 4 * (intakeChunksMax + 1);
    const address = engine.allocateBuffer(bytes);
    this.#address = address;
    this.#startsAddress = address + intakeBytes;
    // Without memory for it every chunk runs at once.
    this.#bytes = engine.view(address, address === 0 ? 0 : intakeBytes);
    const words = address === 0 ? 0 : intakeChunksMax + 1;
    this.#starts = new Uint32Array(this.#bytes.buffer, this.#startsAddress, words);
  }

  /** When the first chunk of this turn came. */
  get arrivedMs(): number {
    return this.#arrivedMs;
  }

  /** Keeps a copy of a chunk till the end of the turn. False: it should run now, and nothing was kept. */
  take(from: Sender, chunk: Uint8Array): boolean {
    const { length } = chunk;
    if (length > intakeChunkBytesMax || this.#bytes.length === 0) {
      return false;
    }
    if (this.#end + length > intakeBytes || this.#count === intakeChunksMax) {
      this.run();
    }
    const count = this.#count;
    if (count === 0) {
      this.#arrivedMs = this.#context.clock.monotonicMs();
    }
    const bytes = this.#bytes;
    const end = this.#end;
    // A call of `set` costs more than so few bytes.
    for (let index = 0; index < length; index++) {
      bytes[end + index] = chunk[index] ?? 0;
    }
    this.#senders[count] = from;
    this.#starts[count] = this.#address + end;
    this.#count = count + 1;
    this.#end = end + length;
    from.taken = true;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#ask();
    }
    return true;
  }

  /** Runs what was taken, and writes the replies. */
  run(): void {
    const count = this.#count;
    if (count === 0) {
      return;
    }
    const { engine, clock, outbox, statistics } = this.#context;
    const starts = this.#starts;
    starts[count] = this.#address + this.#end;
    if (count > 1) {
      engine.loadAhead(this.#startsAddress, count);
    }
    // One time for all: each chunk has arrived by now, so its commands may be ordered at this moment.
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    outbox.hold();
    const senders = this.#senders;
    let commands = 0;
    for (let index = 0; index < count; index++) {
      const sender = senders[index];
      const start = starts[index] ?? 0;
      const length = (starts[index + 1] ?? 0) - start;
      senders[index] = undefined;
      if (sender !== undefined) {
        sender.taken = false;
        commands += sender.runTaken(start, length, nowMs, monotonicMs);
      }
    }
    this.#count = 0;
    this.#end = 0;
    outbox.release();
    if (commands > 0) {
      statistics.observe((clock.monotonicMs() - this.#arrivedMs) / 1000, commands);
    }
  }
}
