/** What a connection knows of its client: what CLIENT tells and changes. */
import type { Gathered } from '../engine/types.ts';

export type ReplyMode = 'on' | 'off' | 'skip';

export class Client {
  readonly id: number;
  readonly address: string;
  readonly localAddress: string;
  /** Monotonic milliseconds. */
  readonly bornMs: number;
  activeMs: number;
  name = '';
  libraryName = '';
  libraryVersion = '';
  protocol: 2 | 3 = 2;
  replies: ReplyMode = 'on';
  /** How often CLIENT REPLY was called: tells whether a command changed the mode. */
  replyChanges = 0;
  /** CLIENT REPLY ON runs: its own answer is wanted. */
  turnsRepliesOn = false;
  readOnly = false;
  noEvict = false;
  noTouch = false;
  /** Close after the reply. */
  quits = false;
  lastCommand = 'NULL';
  /** Replicated shards that it has written to. */
  readonly writtenShards = new Set<number>();
  #gone: AbortController | undefined;

  constructor(options: {
    readonly id: number;
    readonly address: string;
    readonly localAddress: string;
    readonly nowMs: number;
  }) {
    this.id = options.id;
    this.address = options.address;
    this.localAddress = options.localAddress;
    this.bornMs = options.nowMs;
    this.activeMs = options.nowMs;
  }

  /** Aborts when the connection is closed: nobody waits for an answer any more. */
  get gone(): AbortSignal {
    this.#gone ??= new AbortController();
    return this.#gone.signal;
  }

  leave(): void {
    this.#gone?.abort();
  }

  wrote({ count, shards }: Gathered): void {
    for (let index = 0; index < count; index++) {
      const shard = shards[index] as number;
      if (!this.writtenShards.has(shard)) this.writtenShards.add(shard);
    }
  }

  setReplies(mode: ReplyMode): void {
    // SKIP means nothing while replies are off.
    this.replies = mode === 'skip' && this.replies === 'off' ? 'off' : mode;
    this.replyChanges++;
    this.turnsRepliesOn = mode === 'on';
  }

  /** RESET: as if just connected. */
  reset(): void {
    this.name = '';
    this.protocol = 2;
    this.replies = 'on';
    this.readOnly = false;
    this.noEvict = false;
    this.noTouch = false;
  }
}
