/**
 * The process' way to its LeaseStore: one watch for all who follow the same Leases, and a stopwatch on
 * every request.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import type {
  Deadline,
  Lease,
  LeaseChange,
  LeaseEvent,
  LeaseStore,
  LeaseWatch,
  UpdateOutcome,
} from '@r-db/leases/store.ts';

export interface RequestMeasure {
  readonly verb: 'get' | 'list' | 'update';
  /** `OK`, or a word of the store's errors; `Unresolved` where an update's fate is unknown. */
  readonly code: string;
  readonly seconds: number;
}

type Listener = (event: LeaseEvent) => void;

/** A watch of the store with those who follow it. Newcomers are told what it has told before. */
interface Shared {
  readonly watch: LeaseWatch;
  readonly known: Map<string, Lease>;
  readonly listeners: Set<Listener>;
}

export class SharedStore implements LeaseStore, AsyncDisposable {
  readonly #store: LeaseStore;
  readonly #scheduler: Scheduler;
  readonly #onRequest: (measure: RequestMeasure) => void;
  readonly #onStored: (lease: Lease) => void;
  readonly #shared = new Map<string, Shared>();

  constructor({
    store,
    scheduler,
    onRequest,
    onStored = () => {},
  }: {
    readonly store: LeaseStore;
    readonly scheduler: Scheduler;
    readonly onRequest: (measure: RequestMeasure) => void;
    /** An update was stored, told before whoever made it hears of it: the watch tells it later. */
    readonly onStored?: (lease: Lease) => void;
  }) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#onRequest = onRequest;
    this.#onStored = onStored;
  }

  get(name: string, deadline?: Deadline): Promise<Lease | undefined> {
    return this.#measured('get', () => this.#store.get(name, deadline));
  }

  list(labels: Readonly<Record<string, string>>, deadline?: Deadline): Promise<readonly Lease[]> {
    return this.#measured('list', () => this.#store.list(labels, deadline));
  }

  async update(lease: Lease, change: LeaseChange, deadline?: Deadline): Promise<UpdateOutcome> {
    const outcome = await this.#measured('update', () =>
      this.#store.update(lease, change, deadline),
    );
    if (outcome.kind === 'won') this.#onStored(outcome.lease);
    return outcome;
  }

  watch(labels: Readonly<Record<string, string>>, onEvent: Listener): LeaseWatch {
    const shared = this.#sharedOf(labels);
    // Each follower has a listener of its own, though two may give the same function.
    const listener: Listener = (event) => onEvent(event);
    let open = true;
    const begin = (): void => {
      if (!open) return;
      for (const lease of [...shared.known.values()]) onEvent({ kind: 'put', lease });
      shared.listeners.add(listener);
    };
    // Not at once: the caller has not got the watch in hand yet.
    queueMicrotask(begin);
    return {
      ageMs: () => shared.watch.ageMs(),
      ready: shared.watch.ready,
      [Symbol.asyncDispose]: async () => {
        open = false;
        shared.listeners.delete(listener);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#shared.values()];
    this.#shared.clear();
    await Promise.all(all.map(({ watch }) => watch[Symbol.asyncDispose]()));
  }

  #sharedOf(labels: Readonly<Record<string, string>>): Shared {
    const key = JSON.stringify(Object.entries(labels).sort());
    const existing = this.#shared.get(key);
    if (existing !== undefined) return existing;
    const known = new Map<string, Lease>();
    const listeners = new Set<Listener>();
    const watch = this.#store.watch(labels, (event) => {
      if (event.kind === 'put') known.set(event.lease.name, event.lease);
      else known.delete(event.lease.name);
      for (const listener of [...listeners]) listener(event);
    });
    const shared = { watch, known, listeners };
    this.#shared.set(key, shared);
    return shared;
  }

  async #measured<T>(verb: RequestMeasure['verb'], request: () => Promise<T>): Promise<T> {
    const startMs = this.#scheduler.nowMs();
    const tell = (code: string): void => {
      this.#onRequest({ verb, code, seconds: (this.#scheduler.nowMs() - startMs) / 1_000 });
    };
    try {
      const answer = await request();
      tell(codeOf(answer));
      return answer;
    } catch (error) {
      tell(error instanceof LeaseStoreError ? error.code : 'Unknown');
      throw error;
    }
  }
}

function codeOf(answer: unknown): string {
  const { kind, reason } = (answer ?? {}) as { kind?: unknown; reason?: unknown };
  if (kind === 'unresolved') return 'Unresolved';
  return kind === 'refused' ? String(reason) : 'OK';
}
