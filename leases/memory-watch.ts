/** A watch on a `MemoryLeases`: in order, late if so ordered, listing anew after every gap. */
import type { MemoryLeases } from './memory.ts';
import type { ObjectChange } from './memory-objects.ts';
import { hasLabels } from './raw.ts';
import type { Lease, LeaseEvent, LeaseWatch } from './store.ts';

export interface MemoryWatchOptions {
  readonly client: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly onEvent: (event: LeaseEvent) => void;
}

export class MemoryWatch implements LeaseWatch {
  readonly client: string;
  readonly ready: Promise<void>;
  readonly #server: MemoryLeases;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #onEvent: (event: LeaseEvent) => void;
  readonly #known = new Map<string, Lease>();
  #connected = false;
  #closed = false;
  #heardAtMs: number;
  #queue: { readonly atMs: number; readonly task: () => void }[] = [];
  #connection = 0;
  #resolveReady: () => void = () => {};

  constructor(server: MemoryLeases, { client, labels, onEvent }: MemoryWatchOptions) {
    this.#server = server;
    this.client = client;
    this.#labels = labels;
    this.#onEvent = onEvent;
    this.#heardAtMs = server.scheduler.nowMs();
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    server.addWatch(this);
    // Not at once: the caller has not got the watch in hand yet.
    queueMicrotask(() => this.setConnected(server.outageOf(client) === 'none'));
  }

  ageMs(): number {
    return this.#connected ? 0 : this.#server.scheduler.nowMs() - this.#heardAtMs;
  }

  /** Called by the server for each change. */
  changed({ before, after }: ObjectChange): void {
    if (!this.#connected) return;
    if (after !== undefined && hasLabels(after, this.#labels)) {
      this.#deliver(after.name, () => this.#put(after));
    } else if (before !== undefined && hasLabels(before, this.#labels)) {
      this.#deliver(before.name, () => this.#deleted(before));
    }
  }

  setConnected(connected: boolean): void {
    if (connected === this.#connected || this.#closed) return;
    this.#connected = connected;
    this.#heardAtMs = this.#server.scheduler.nowMs();
    this.#newConnection();
    if (connected) this.relist(undefined);
  }

  /** Lists anew and tells the difference from what has been told. */
  relist(staleChanges: number | undefined): void {
    if (!this.#connected || this.#closed) return;
    this.#newConnection();
    const { client } = this;
    const fault = this.#server.faultOf({ client, verb: 'watch', name: undefined });
    const stale = staleChanges ?? fault.staleChanges ?? 0;
    const leases = this.#server.objects.list(this.#labels, stale);
    this.#arrive(fault.replyDelayMs ?? 0, () => this.#listed(leases));
    // A watch that begins at an old version then tells what happened since.
    if (stale > 0) {
      const current = this.#server.objects.list(this.#labels);
      this.#arrive(fault.replyDelayMs ?? 0, () => this.#listed(current));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#connected = false;
    this.#server.removeWatch(this);
  }

  #listed(leases: readonly Lease[]): void {
    const names = new Set(leases.map((lease) => lease.name));
    for (const lease of [...this.#known.values()]) {
      if (!names.has(lease.name)) this.#deleted(lease);
    }
    for (const lease of leases) {
      if (this.#known.get(lease.name)?.resourceVersion !== lease.resourceVersion) this.#put(lease);
    }
    this.#resolveReady();
  }

  #put(lease: Lease): void {
    const known = this.#known.get(lease.name);
    if (known !== undefined && known.uid !== lease.uid) this.#deleted(known);
    this.#known.set(lease.name, lease);
    this.#onEvent({ kind: 'put', lease });
  }

  #deleted(lease: Lease): void {
    if (this.#known.delete(lease.name)) this.#onEvent({ kind: 'deleted', lease });
  }

  #deliver(name: string, task: () => void): void {
    const { client } = this;
    const fault = this.#server.faultOf({ client, verb: 'event', name });
    // A lost event is a broken watch: what a client then sees is a gap and a new list.
    if (fault.lose !== undefined) this.relist(undefined);
    else this.#arrive(fault.replyDelayMs ?? 0, task);
  }

  /** Puts an event on its way: none overtakes another, none arrives inside the call that caused it. */
  #arrive(delayMs: number, task: () => void): void {
    this.#queue.push({ atMs: this.#server.scheduler.nowMs() + delayMs, task });
    if (this.#queue.length === 1) this.#wait();
  }

  #wait(): void {
    const first = this.#queue[0];
    if (first === undefined) return;
    const { scheduler } = this.#server;
    const connection = this.#connection;
    const run = () => {
      if (this.#closed || connection !== this.#connection) return;
      first.task();
      // The event's reader may have closed the watch or broken it.
      if (connection !== this.#connection) return;
      this.#queue.shift();
      this.#wait();
    };
    const leftMs = first.atMs - scheduler.nowMs();
    if (leftMs > 0) scheduler.after(leftMs, run);
    else queueMicrotask(run);
  }

  /** What was on its way in the old connection never arrives. */
  #newConnection(): void {
    this.#connection++;
    this.#queue = [];
  }
}
