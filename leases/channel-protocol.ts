/** What goes over a channel. Leases go as raw objects; both ends read them with `leaseOf`. */
import type { LeaseStoreErrorCode } from './errors.ts';
import type { LeaseChange, NewLease } from './store.ts';

type Labels = Readonly<Record<string, string>>;

/** A request, answered once under its ID. */
export type Call = (
  | { readonly verb: 'get'; readonly name: string }
  | { readonly verb: 'list'; readonly labels: Labels }
  | { readonly verb: 'update'; readonly raw: unknown; readonly change: LeaseChange }
  | { readonly verb: 'create'; readonly lease: NewLease }
  | { readonly verb: 'delete'; readonly name: string; readonly uid: string }
) & { readonly id?: number; readonly timeoutMs?: number };

export type FromClient =
  | Call
  /** The caller no longer waits for the request of this ID. */
  | { readonly verb: 'cancel'; readonly id: number }
  | { readonly verb: 'watch'; readonly id: number; readonly labels: Labels }
  | { readonly verb: 'unwatch'; readonly id: number };

export type FromServer =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly error: { readonly code: LeaseStoreErrorCode; readonly text: string };
    }
  | WatchMessage;

export type WatchMessage = {
  readonly watch: number;
} /** From here to `ready` all that exists is told. */ & (
  | { readonly tells: 'restart' }
  | { readonly tells: 'ready' }
  | { readonly tells: 'put' | 'deleted'; readonly raw: unknown }
  | { readonly tells: 'age'; readonly ageMs: number }
);

export interface ChannelHandlers {
  readonly onMessage: (message: unknown) => void;
  /** Once; with what went wrong, if anything did. */
  readonly onClose: (error: Error | undefined) => void;
  /** The channel is no longer full. */
  readonly onDrain: () => void;
}

/** A duplex channel of messages in order. Values are what JSON holds. */
export interface Channel {
  /** Once, before anything else. */
  open(handlers: ChannelHandlers): void;
  /** Nothing happens on a closed channel. */
  send(message: unknown): void;
  /** The other end is slow: send only what is small or can't be put off. */
  readonly full: boolean;
  close(): void;
}
