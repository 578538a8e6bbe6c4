/** The client: what applications call. */
import type { StatsResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { formatAddress, parseAddress } from './addresses.ts';
import { fromCall, RdbError } from './errors.ts';
import { transferLeadership } from './leadership.ts';
import { CONNECT_TIMEOUT_MS_DEFAULT, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX } from './limits.ts';
import {
  type DeleteOptions,
  type Operation,
  op,
  type ReadOptions,
  type ReadResult,
  type SetOptions,
  type SetResult,
  type TouchOptions,
  type TouchResult,
  type WriteOptions,
} from './operations.ts';
import { Router } from './router.ts';
import { type ScanEntry, type ScanOptions, scan } from './scan.ts';
import type { Topology } from './topology.ts';
import type { Bytes, Value } from './values.ts';

export interface ConnectOptions {
  /** Some nodes of the cluster, `host:port` (gRPC; port 7379 if missing). One that answers is enough. */
  readonly addresses: readonly string[];
  /** Time for a call, retries included, in milliseconds. Default 15000. */
  readonly timeoutMs?: number;
  /** Time for one of the addresses to answer, in milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface CallOptions {
  /** Time for this call, retries included, in milliseconds. */
  readonly timeoutMs?: number;
  /** Ends the wait with the signal's reason. A write that was sent may still happen. */
  readonly signal?: AbortSignal;
}

/** What came of one operation of a batch. */
export type Outcome<Result> =
  | { readonly ok: true; readonly value: Result }
  | { readonly ok: false; readonly error: RdbError };

/** The answer to each operation of a batch, in order, by its type. */
export type Outcomes<Operations extends readonly Operation[]> = {
  -readonly [I in keyof Operations]: Outcome<
    Operations[I] extends Operation<infer Result> ? Result : never
  >;
};

/** Figures of one node. */
export type NodeStats = StatsResponse;

/**
 * Connects to a cluster: asks the addresses for the topology and follows it from then on.
 *
 * @throws RdbError UNAVAILABLE when no address answers in time; the message has what each said. INVALID for what is no address.
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const seeds = options.addresses.map((text) => {
    const address = parseAddress(text);
    if (address === undefined)
      throw new RdbError('INVALID', `"${text}" is no address; host:port would be right`);
    return formatAddress(address);
  });
  if (seeds.length === 0) throw new RdbError('INVALID', 'addresses must name at least one node');
  const timeoutMs = checkTimeout(options.timeoutMs ?? TIMEOUT_MS_DEFAULT);
  const connectTimeoutMs = checkTimeout(options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT);
  options.signal?.throwIfAborted();
  const router = new Router(seeds);
  try {
    await firstTopology(router, { seeds, connectTimeoutMs, signal: options.signal });
  } catch (error) {
    await router.close();
    throw error;
  }
  return new Client(router, timeoutMs);
}

/**
 * A connection to a cluster; share one in the whole process. Calls go straight to the node that leads
 * the key's shard; calls made in one turn of the event loop share a message to each node. Calls follow
 * redirects and try again, where that can't do harm, until their time is over.
 *
 * Calls that are not awaited may be executed in another order than they were made.
 */
export class Client implements AsyncDisposable {
  readonly #router: Router;
  readonly #timeoutMs: number;

  /** Use `connect`. */
  constructor(router: Router, timeoutMs: number) {
    this.#router = router;
    this.#timeoutMs = timeoutMs;
  }

  /** What a key holds; undefined if it does not exist. */
  get(key: Bytes, options: ReadOptions & CallOptions = {}): Promise<Value | undefined> {
    return this.#run(op.get(key, options), options);
  }

  /** What a key holds, and how old the answer may be: for reads with `consistency: 'any-replica'`. */
  read(key: Bytes, options: ReadOptions & CallOptions = {}): Promise<ReadResult> {
    return this.#run(op.read(key, options), options);
  }

  /** Stores a value; removes an expiry that the key has, unless told otherwise. */
  set(key: Bytes, value: Bytes, options: SetOptions & CallOptions = {}): Promise<SetResult> {
    return this.#runMade(() => op.set(key, value, options), options);
  }

  /** Removes a key; true if it was there. */
  delete(key: Bytes, options: DeleteOptions & CallOptions = {}): Promise<boolean> {
    return this.#run(op.delete(key, options), options);
  }

  /** Adds to an integer and returns the sum; an absent key counts as 0. NOT_AN_INTEGER where the value is none, OVERFLOW where the sum is. */
  increment(
    key: Bytes,
    by: bigint | number = 1n,
    options: WriteOptions & CallOptions = {},
  ): Promise<bigint> {
    return this.#runMade(() => op.increment(key, by, options), options);
  }

  /** Appends to a value and returns its new length in bytes; an absent key counts as empty. */
  append(key: Bytes, value: Bytes, options: WriteOptions & CallOptions = {}): Promise<number> {
    return this.#run(op.append(key, value, options), options);
  }

  /** Reads, sets or removes the expiry of a key; undefined if the key does not exist. */
  touch(key: Bytes, options: TouchOptions & CallOptions = {}): Promise<TouchResult | undefined> {
    return this.#runMade(() => op.touch(key, options), options);
  }

  /**
   * Runs many operations, of any keys: `client.batch([op.get('a'), op.set('b', '1')])`. Each has its own outcome;
   * it is not a transaction. Never rejects because an operation failed.
   */
  async batch<const Operations extends readonly Operation[]>(
    operations: Operations,
    options: CallOptions = {},
  ): Promise<Outcomes<Operations>> {
    const outcomes = await Promise.all(
      operations.map(async (operation): Promise<Outcome<unknown>> => {
        try {
          return { ok: true, value: await this.#run(operation, options) };
        } catch (error) {
          if (!(error instanceof RdbError)) throw error;
          return { ok: false, error };
        }
      }),
    );
    return outcomes as Outcomes<Operations>;
  }

  /** Walks the keys. A key that is there all the time is told at least once. */
  scan(options: ScanOptions = {}): AsyncGenerator<ScanEntry, void, undefined> {
    return scan(this.#router, options, this.#timeoutMs);
  }

  /** The cluster as this client knows it now. */
  topology(): Topology {
    const { current } = this.#router.follower;
    if (current === undefined) throw new RdbError('CLOSED', 'the client is closed');
    return current;
  }

  /** Calls `listener` after each change of the topology; the function returned ends it. */
  onTopology(listener: (topology: Topology) => void): () => void {
    return this.#router.onTopology(listener);
  }

  /**
   * Hands the leadership of a shard to another node; its new epoch. INVALID where that node is not in sync; SHARD_MOVING where
   * it can't take over now, as the message says: the API server does not answer, for one.
   */
  async transferLeadership(
    shard: number,
    to: string,
    { timeoutMs = this.#timeoutMs, signal }: CallOptions = {},
  ): Promise<number> {
    return transferLeadership(
      this.#router,
      { shard, to },
      { timeoutMs: checkTimeout(timeoutMs), signal: signal ?? new AbortController().signal },
    );
  }

  /** Figures of one node, by its gRPC address as the topology has it. */
  async stats(
    address: string,
    { timeoutMs = this.#timeoutMs }: Pick<CallOptions, 'timeoutMs'> = {},
  ): Promise<NodeStats> {
    const channel = this.#router.channel(address);
    try {
      await channel.ready(timeoutMs);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new RdbError('UNAVAILABLE', message, { cause: error });
    }
    return channel.stats(timeoutMs).catch((error) => {
      throw fromCall(error, { reads: true, sent: true });
    });
  }

  /** Takes no more calls, waits for the answers to those that are out, closes. */
  async drain(): Promise<void> {
    await this.#router.drain();
    await this.close();
  }

  /** Closes at once. Calls that are out fail: CLOSED, or OUTCOME_UNKNOWN if they were writes already sent. */
  async close(): Promise<void> {
    await this.#router.close();
  }

  /** `await using client = await connect(…)` drains it at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  /** For operations whose making can fail: that too is a rejection. */
  async #runMade<Result>(make: () => Operation<Result>, options: CallOptions): Promise<Result> {
    return this.#run(make(), options);
  }

  async #run<Result>(
    operation: Operation<Result>,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Result> {
    const time = { timeoutMs: timeoutMs === undefined ? this.#timeoutMs : checkTimeout(timeoutMs) };
    return this.#router.run(operation, signal === undefined ? time : { ...time, signal });
  }
}

async function firstTopology(
  router: Router,
  {
    seeds,
    connectTimeoutMs,
    signal,
  }: { seeds: readonly string[]; connectTimeoutMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const heard = new Promise<void>((resolve) => {
    const stop = router.onTopology(() => {
      stop();
      resolve();
    });
  });
  router.follower.start();
  let onTimeout: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const failed = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    onTimeout = setTimeout(() => {
      const { failures } = router.follower;
      const why = failures.length > 0 ? failures.join('; ') : seeds.join(', ');
      reject(
        new RdbError('UNAVAILABLE', `no node answered within ${connectTimeoutMs} ms (${why})`),
      );
    }, connectTimeoutMs);
  });
  try {
    await Promise.race([heard, failed]);
  } finally {
    clearTimeout(onTimeout);
    signal?.removeEventListener('abort', onAbort);
  }
}

function checkTimeout(ms: number): number {
  if (ms >= 1 && ms <= TIMEOUT_MS_MAX) return ms;
  throw new RdbError(
    'INVALID',
    `a time-out must be 1 to ${TIMEOUT_MS_MAX} milliseconds, and is ${ms}`,
  );
}
