/**
 * Counters that data threads write and the main thread reads, in shared memory: a scrape interrupts
 * nobody. Each thread writes its own row with plain stores (64-bit stores don't tear); what threads
 * decide on together (open connections, client IDs) is atomic.
 */
import { commands } from '../engine/commands.ts';
import { durationBuckets } from './limits.ts';

export const counterNames = [
  'connectionsAccepted',
  'connectionsRefused',
  'inputBytes',
  'outputBytes',
  'durationSeconds',
  'protocolErrors',
  'slowConsumers',
  'overloads',
  'parked',
  'parkedTotal',
  'parkTimeouts',
  'heldLocalBytes',
  'heldArenaBytes',
  'unsentBytes',
  'unknownCommands',
  'grpcConnections',
  'loopDelayMeanSeconds',
  'loopDelayP99Seconds',
  'loopDelayMaxSeconds',
  /** Monotonic milliseconds at which the thread last moved. */
  'movedMs',
  'commitSeconds',
  'peersUp',
  'peerRefusals',
  'clockBehindSeconds',
] as const;
export type CounterName = (typeof counterNames)[number];

const bucketsAt = counterNames.length;
const callsAt = bucketsAt + durationBuckets.length + 1;
const errorsAt = callsAt + commands.length;
const commitBucketsAt = errorsAt + commands.length;
const rowLength = commitBucketsAt + durationBuckets.length + 1;

const shared = { connections: 0, clientIds: 1 } as const;
const sharedBytes = 64;

/** What travels to the threads. */
export function makeStatistics(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(sharedBytes + threads * rowLength * 8);
}

/** One row; `thread` writes it. */
export class ThreadStatistics {
  readonly #values: Float64Array;
  readonly #shared: Int32Array;

  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#values = new Float64Array(buffer, sharedBytes + thread * rowLength * 8, rowLength);
    this.#shared = new Int32Array(buffer, 0, sharedBytes / 4);
  }

  add(name: CounterName, amount: number): void {
    const index = counterIndex[name];
    this.#values[index] = (this.#values[index] ?? 0) + amount;
  }

  /** `add` for what every chunk counts: no look-up by name. */
  received(bytes: number): void {
    const values = this.#values;
    values[inputBytesAt] = (values[inputBytesAt] ?? 0) + bytes;
  }

  sent(bytes: number): void {
    const values = this.#values;
    values[outputBytesAt] = (values[outputBytesAt] ?? 0) + bytes;
  }

  set(name: CounterName, value: number): void {
    this.#values[counterIndex[name]] = value;
  }

  get(name: CounterName): number {
    return this.#values[counterIndex[name]] ?? 0;
  }

  /** Commands that came together: from their arrival until their replies were ready. */
  observe(seconds: number, commands: number): void {
    let bucket = 0;
    while (bucket < durationBuckets.length && seconds > (durationBuckets[bucket] ?? 0)) {
      bucket++;
    }
    const values = this.#values;
    values[bucketsAt + bucket] = (values[bucketsAt + bucket] ?? 0) + commands;
    values[secondsAt] = (values[secondsAt] ?? 0) + seconds * commands;
  }

  bucket(index: number): number {
    return this.#values[bucketsAt + index] ?? 0;
  }

  /** A batch of a shard with several copies: from its sealing until it was committed. */
  observeCommit(seconds: number): void {
    let bucket = 0;
    while (bucket < durationBuckets.length && seconds > (durationBuckets[bucket] ?? 0)) {
      bucket++;
    }
    const values = this.#values;
    values[commitBucketsAt + bucket] = (values[commitBucketsAt + bucket] ?? 0) + 1;
    this.add('commitSeconds', seconds);
  }

  commitBucket(index: number): number {
    return this.#values[commitBucketsAt + index] ?? 0;
  }

  countCommand(command: number, failed: boolean): void {
    const values = this.#values;
    values[callsAt + command] = (values[callsAt + command] ?? 0) + 1;
    if (failed) {
      values[errorsAt + command] = (values[errorsAt + command] ?? 0) + 1;
    }
  }

  command(command: number): { readonly calls: number; readonly errors: number } {
    return {
      calls: this.#values[callsAt + command] ?? 0,
      errors: this.#values[errorsAt + command] ?? 0,
    };
  }

  /** Takes a place among the open connections of the process, if one is left. */
  enter(connectionsMax: number): boolean {
    if (Atomics.add(this.#shared, shared.connections, 1) < connectionsMax) {
      return true;
    }
    Atomics.sub(this.#shared, shared.connections, 1);
    return false;
  }

  leave(): void {
    Atomics.sub(this.#shared, shared.connections, 1);
  }

  /** Open RESP connections of the process. */
  connections(): number {
    return Atomics.load(this.#shared, shared.connections);
  }

  /** IDs rise over all threads, as Redis' do. */
  nextClientId(): number {
    return (Atomics.add(this.#shared, shared.clientIds, 1) + 1) >>> 0;
  }
}

const counterIndex = Object.fromEntries(
  counterNames.map((name, index) => [name, index]),
) as Readonly<Record<CounterName, number>>;
const inputBytesAt = counterIndex.inputBytes;
const outputBytesAt = counterIndex.outputBytes;
const secondsAt = counterIndex.durationSeconds;

/** All rows, for who reads. */
export class ProcessStatistics {
  readonly rows: readonly ThreadStatistics[];

  constructor(buffer: SharedArrayBuffer, threads: number) {
    this.rows = Array.from(
      { length: threads },
      (_, thread) => new ThreadStatistics(buffer, thread),
    );
  }

  sum(name: CounterName): number {
    return this.rows.reduce((total, row) => total + row.get(name), 0);
  }

  bucket(index: number): number {
    return this.rows.reduce((total, row) => total + row.bucket(index), 0);
  }

  commitBucket(index: number): number {
    return this.rows.reduce((total, row) => total + row.commitBucket(index), 0);
  }

  command(command: number): { readonly calls: number; readonly errors: number } {
    let calls = 0;
    let errors = 0;
    for (const row of this.rows) {
      const one = row.command(command);
      calls += one.calls;
      errors += one.errors;
    }
    return { calls, errors };
  }

  connections(): number {
    return this.rows[0]?.connections() ?? 0;
  }
}
