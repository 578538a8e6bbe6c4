/** What the main thread and the data threads tell each other. */
import type { HostLink } from '../agent/link.ts';
import type { NodeIdentity, Topology } from '../agent/types.ts';
import type { Settings } from '../config/schema.ts';
import type { Arena } from '../engine/types.ts';
import type { ThreadLinks } from '../replication/thread-links.ts';
import type { Answer, Question } from './questions.ts';

/** What a data thread starts with; ports of `link` and `links` in the transfer list. */
export interface ThreadStart {
  readonly arena: Arena;
  readonly identity: NodeIdentity;
  readonly settings: Settings;
  /** Address to bind: `RDB_BIND_ADDRESS`, or what stands for it on this machine. */
  readonly host: string;
  readonly thread: number;
  readonly threads: number;
  readonly statistics: SharedArrayBuffer;
  readonly startedMs: number;
  /** Of the time by which keys expire (replication/shard-time.ts). */
  readonly shardTime: Float64Array;
  /** The replication home alone has one. */
  readonly link: HostLink | undefined;
  readonly links: ThreadLinks;
  /** For the random part of waits. */
  readonly seed: number;
}

export type ToThread =
  | { readonly kind: 'topology'; readonly topology: Topology }
  | { readonly kind: 'settings'; readonly settings: Settings }
  /** Say this about your own connections. */
  | { readonly kind: 'ask'; readonly number: number; readonly question: Question }
  /** What all threads said to your question. */
  | { readonly kind: 'answers'; readonly number: number; readonly answers: readonly Answer[] }
  /** Health says so from now on; what is asked is answered as before. */
  | { readonly kind: 'stopping' }
  /** Answer what is in flight, close the connections, say `drained`. */
  | { readonly kind: 'drain'; readonly graceMs: number };

export type FromThread =
  /** `grpcPort`: in the replication home alone, where request IDs are known. */
  | { readonly kind: 'listening'; readonly respPort: number; readonly grpcPort: number | undefined }
  | { readonly kind: 'failed'; readonly setting: string; readonly message: string }
  | { readonly kind: 'question'; readonly number: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly number: number; readonly answer: Answer }
  | { readonly kind: 'drained' };
