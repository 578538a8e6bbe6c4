/** What a recorded client needs of a database: one operation after the other, by one process. */
import type { Answer } from './operation.ts';

/** A value as a read saw it, and what a compare-and-set over this protocol names it by. */
export interface Seen {
  readonly value: string;
  readonly token: string;
}

export type Read =
  | { readonly outcome: 'ok'; readonly seen: Seen | undefined }
  | { readonly outcome: 'failed' | 'unknown'; readonly error: string };

/** A client's connection for one shard. Never rejects: what went wrong is in the answer. */
export interface Store {
  read(key: string): Promise<Read>;
  write(key: string, value: string): Promise<Answer>;
  /** By one; the sum is the result. */
  increment(key: string): Promise<Answer>;
  /** Whether it applied is the result. */
  compareAndSet(key: string, seen: Seen, value: string): Promise<Answer>;
  close(): void;
}

/** Makes the connection of a new process; `shard` is the one that it will ask for. */
export type Connect = (shard: number) => Store;
