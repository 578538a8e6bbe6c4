/** A watch at the client's end of a channel: outlives connections, tells only differences. */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { WatchMessage } from './channel-protocol.ts';
import { leaseOf } from './raw.ts';
import type { Lease, LeaseEvent, LeaseWatch } from './store.ts';

export interface ChannelWatchOptions {
  readonly labels: Readonly<Record<string, string>>;
  readonly onEvent: (event: LeaseEvent) => void;
  readonly scheduler: Scheduler;
  readonly onClose: () => void;
}

export class ChannelWatch implements LeaseWatch {
  readonly labels: Readonly<Record<string, string>>;
  readonly ready: Promise<void>;
  readonly #options: ChannelWatchOptions;
  readonly #known = new Map<string, Lease>();
  /** Names told since the last restart, until all that exists has been told. */
  #listing: Set<string> | undefined;
  #resolveReady: () => void = () => {};
  /** Age that the server told last, and when. */
  #toldAgeMs = 0;
  #toldAtMs: number;
  #closed = false;

  constructor(options: ChannelWatchOptions) {
    this.#options = options;
    this.labels = options.labels;
    this.#toldAtMs = options.scheduler.nowMs();
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
  }

  ageMs(): number {
    return this.#toldAgeMs + this.#options.scheduler.nowMs() - this.#toldAtMs;
  }

  message(message: WatchMessage): void {
    if (this.#closed) return;
    if (message.tells === 'age') {
      this.#toldAgeMs = message.ageMs;
      this.#toldAtMs = this.#options.scheduler.nowMs();
    } else if (message.tells === 'restart') {
      this.#listing = new Set();
    } else if (message.tells === 'ready') {
      this.#listed();
    } else {
      const lease = leaseOf(message.raw);
      if (message.tells === 'put') this.#put(lease);
      else this.#deleted(lease);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClose();
  }

  #put(lease: Lease): void {
    const known = this.#known.get(lease.name);
    const isTold = known?.resourceVersion === lease.resourceVersion;
    if (known !== undefined && known.uid !== lease.uid) this.#deleted(known);
    this.#listing?.add(lease.name);
    if (isTold && this.#listing !== undefined) return;
    this.#known.set(lease.name, lease);
    this.#options.onEvent({ kind: 'put', lease });
  }

  #deleted(lease: Lease): void {
    this.#listing?.delete(lease.name);
    if (this.#known.delete(lease.name)) this.#options.onEvent({ kind: 'deleted', lease });
  }

  #listed(): void {
    const listing = this.#listing ?? new Set();
    this.#listing = undefined;
    for (const lease of [...this.#known.values()]) {
      if (!listing.has(lease.name)) this.#deleted(lease);
    }
    this.#resolveReady();
  }
}
