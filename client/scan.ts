/** Walks all keys: shard after shard in runs that one node leads, wherever leadership goes meanwhile. */
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { ScanRequest, ScanResponse } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { backoffMs, delay } from './backoff.ts';
import { fromCall, RdbError, retryOf } from './errors.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  REDIRECTS_AT_ONCE_MAX,
  SEED_TIMEOUT_MS,
} from './limits.ts';
import type { Router } from './router.ts';
import { leaderAddress, type Topology } from './topology.ts';
import { type Bytes, owned, toBytes, versionToBytes, versionToText } from './values.ts';

export interface ScanOptions {
  /** Only keys that match this pattern, as Redis' SCAN matches it: `user:*`, `?`, `[a-z]`, `\`. */
  readonly match?: Bytes;
  /** Values too. */
  readonly withValues?: boolean;
  /** Keys in one message from a node; 1 to 4096. Default 256. Larger: fewer messages, longer pauses. */
  readonly pageSize?: number;
  /** Where `ScanEntry.token` said: goes on behind that page. The same `match` as then. */
  readonly after?: string;
  readonly signal?: AbortSignal;
  /** Longest time without progress, in milliseconds. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number;
}

export interface ScanEntry {
  readonly key: string;
  readonly keyBytes: Uint8Array;
  /** With `withValues`. */
  readonly value: Uint8Array | undefined;
  readonly version: string;
  readonly expireAtMs: number | undefined;
  /** For `after`; entries of one page have the same. Undefined on the last page. */
  readonly token: string | undefined;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const NO_TOKEN = new Uint8Array(0);

/** @throws RdbError when a shard could not be read within the time; GENERATION_CHANGED when one lost its data. */
export async function* scan(
  router: Router,
  options: ScanOptions,
  timeoutMs: number,
): AsyncGenerator<ScanEntry, void, undefined> {
  const walk = new Walk(router, options, options.timeoutMs ?? timeoutMs);
  for await (const page of walk.pages()) {
    const token = walk.token();
    for (const { key, value, version, expireAtMs } of page.entries) {
      yield {
        key: decoder.decode(key),
        keyBytes: owned(key),
        value: value && owned(value),
        version: versionToText(version),
        expireAtMs: expireAtMs === undefined ? undefined : Number(expireAtMs),
        token,
      };
    }
  }
}

class Walk {
  readonly #router: Router;
  readonly #options: ScanOptions;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  /** Where the walk is: in this shard, or behind it, as the token says (empty: at its beginning). */
  #shard = 0;
  #token: Uint8Array = NO_TOKEN;
  /** Last shard of the run that the token is of. */
  #last: number | undefined;
  /** The shard whose leader is asked for the rest of the run. */
  #asked = 0;
  #failures = 0;
  #redirects = 0;
  #progressMs = performance.now();

  constructor(router: Router, options: ScanOptions, timeoutMs: number) {
    this.#router = router;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#signal = options.signal ?? new AbortController().signal;
    if (options.after !== undefined) this.#restore(options.after);
  }

  /** Names the place behind the page told last; undefined at the end. */
  token(): string | undefined {
    if (this.#atEnd()) return undefined;
    return `${this.#shard}.${this.#last ?? ''}.${versionToText(this.#token)}`;
  }

  async *pages(): AsyncGenerator<ScanResponse, void, undefined> {
    while (!this.#atEnd()) {
      this.#signal.throwIfAborted();
      const topology = this.#router.follower.current;
      const address = topology && leaderAddress(topology, this.#asked);
      try {
        if (topology === undefined || address === undefined) {
          throw new RdbError('NO_LEADER', `no node is known to lead shard ${this.#asked}`);
        }
        this.#last ??= lastOfRun(topology, this.#shard);
        yield* this.#pagesOf(address);
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  /** The rest of the run. */
  async *#pagesOf(address: string): AsyncGenerator<ScanResponse, void, undefined> {
    const channel = this.#router.channel(address);
    try {
      await channel.ready(Math.min(SEED_TIMEOUT_MS, this.#timeoutMs));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new RdbError('UNAVAILABLE', message, { cause: error });
    }
    const stream = channel.keyValue.scan(this.#request());
    const abort = (): void => stream.cancel();
    this.#signal.addEventListener('abort', abort, { once: true });
    try {
      for await (const page of this.#timed(stream)) {
        this.#advance(page);
        yield page;
        this.#progressMs = performance.now();
        if (this.#token.length === 0) return;
      }
    } finally {
      this.#signal.removeEventListener('abort', abort);
      stream.on('error', () => undefined);
      stream.cancel();
    }
  }

  #advance({ shard, resumeToken }: ScanResponse): void {
    this.#failures = 0;
    this.#redirects = 0;
    this.#token = owned(resumeToken);
    if (resumeToken.length > 0) this.#shard = shard;
    else {
      this.#shard = (this.#last ?? shard) + 1;
      this.#last = undefined;
    }
    this.#asked = this.#shard;
  }

  #atEnd(): boolean {
    return this.#shard >= (this.#router.follower.current?.shards.length ?? 1);
  }

  #restore(after: string): void {
    const [, shard, last, token] = /^(\d{1,5})\.(\d{0,5})\.([\w-]*)$/.exec(after) ?? [];
    if (shard === undefined || token === undefined) {
      throw new RdbError('INVALID', 'after must be the token of an entry of an earlier scan');
    }
    this.#shard = Number(shard);
    this.#asked = this.#shard;
    this.#last = last === '' ? undefined : Number(last);
    this.#token = versionToBytes(token);
  }

  /** Messages of the stream, each within the time. */
  async *#timed(
    stream: ClientReadableStream<ScanResponse>,
  ): AsyncGenerator<ScanResponse, void, undefined> {
    const messages = (stream as AsyncIterable<ScanResponse>)[Symbol.asyncIterator]();
    for (;;) {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        stream.cancel();
      }, this.#timeoutMs);
      try {
        const { done, value } = await messages.next();
        if (done) return;
        yield value;
      } catch (error) {
        if (late)
          throw new RdbError('DEADLINE_EXCEEDED', `no page within ${this.#timeoutMs} ms`, {
            reads: true,
            cause: error,
          });
        throw error;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  #request(): ScanRequest {
    const { match, withValues, pageSize } = this.#options;
    return {
      shards: range(this.#shard, this.#last ?? this.#shard),
      match: match === undefined ? new Uint8Array(0) : toBytes(match),
      withValues: withValues ?? false,
      pageSize: pageSize ?? 0,
      limit: 0n,
      resumeToken: this.#token,
    };
  }

  /** Waits and lets the walk go on where it was, or throws what can't be helped. */
  async #recover(thrown: unknown): Promise<void> {
    this.#signal.throwIfAborted();
    const error =
      thrown instanceof RdbError
        ? thrown
        : fromCall(thrown as ServiceError, { reads: true, sent: true });
    if (error.leader !== undefined) {
      this.#router.follower.hint(error.leader);
      this.#asked = error.leader.shard;
    }
    if (retryOf(error.reason) === 'elsewhere' && ++this.#redirects <= REDIRECTS_AT_ONCE_MAX) return;
    const leftMs = this.#progressMs + this.#timeoutMs - performance.now();
    if (!error.retryable || leftMs <= 0) throw error;
    const range = { minMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX };
    const waitMs = Math.max(
      error.retryAfterMs ?? 0,
      backoffMs(++this.#failures, range, Math.random),
    );
    await delay(Math.min(waitMs, leftMs), this.#signal);
  }
}

/** The last of the shards from `first` on that have the same leader, without a gap. */
function lastOfRun({ shards }: Topology, first: number): number {
  const leader = shards[first]?.leader;
  let last = first;
  while (last + 1 < shards.length && shards[last + 1]?.leader === leader) last++;
  return last;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
