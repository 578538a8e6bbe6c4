/** The end of a channel that has the store. */
import { realScheduler, type Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { Call, Channel, FromClient, FromServer } from './channel-protocol.ts';
import { LeaseStoreError, messageOf } from './errors.ts';
import { CHANNEL_HEARTBEAT_MS, CHANNEL_REQUESTS_MAX, CHANNEL_WATCHES_MAX } from './limits.ts';
import { leaseOf } from './raw.ts';
import type { LeaseAdmin, LeaseStore, LeaseWatch } from './store.ts';

export interface ServeOptions {
  readonly channel: Channel;
  readonly store: LeaseStore;
  /** The same store, for clients that may create and delete. */
  readonly admin?: LeaseAdmin | undefined;
  readonly scheduler?: Scheduler;
  /** Told once of why the channel was closed, if something went wrong. */
  readonly onClose?: (error: Error | undefined) => void;
}

/** Lets the other end of the channel use the store until either closes it. */
export function serveLeases(options: ServeOptions): AsyncDisposable {
  const service = new Service(options);
  return { [Symbol.asyncDispose]: () => service.close() };
}

interface ServedWatch {
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined while the channel is full: begun anew when it has drained. */
  running: LeaseWatch | undefined;
  /** Rises with each beginning and each end: events of an ended watch are not told. */
  turn: number;
}

class Service {
  readonly #options: ServeOptions;
  readonly #scheduler: Scheduler;
  readonly #calls = new Map<number, AbortController>();
  readonly #watches = new Map<number, ServedWatch>();
  #cancelHeartbeat = () => {};
  #closed = false;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? realScheduler;
    options.channel.open({
      onMessage: (message) => this.#message(message),
      onClose: (error) => {
        void this.close();
        options.onClose?.(error);
      },
      onDrain: () => this.#drained(),
    });
    this.#heartbeat();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelHeartbeat();
    this.#options.channel.close();
    for (const call of this.#calls.values()) call.abort();
    const running = [...this.#watches.values()].map((watch) => watch.running);
    this.#watches.clear();
    await Promise.all(running.map((watch) => watch?.[Symbol.asyncDispose]()));
  }

  #message(message: unknown): void {
    if (this.#closed) return;
    // Only a stranger on a socket sends what we can't read.
    if (!isReadable(message)) void this.close();
    else if (message.verb === 'cancel') this.#calls.get(message.id)?.abort();
    else if (message.verb === 'watch') this.#watch(message.id, message.labels);
    else if (message.verb === 'unwatch') this.#unwatch(message.id);
    else void this.#answer(message);
  }

  async #answer(call: Call): Promise<void> {
    const { id = 0, timeoutMs } = call;
    const stop = new AbortController();
    const deadline = { signal: stop.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    try {
      if (this.#calls.size >= CHANNEL_REQUESTS_MAX || this.#options.channel.full) {
        throw new LeaseStoreError('TooManyRequests', `${call.verb}: too many requests under way`);
      }
      this.#calls.set(id, stop);
      const value = await this.#act(call, deadline);
      // An answer nobody takes must not pile up; what it tells can be read again.
      if (this.#options.channel.full) {
        throw new LeaseStoreError('Unavailable', `${call.verb}: too many answers wait to be taken`);
      }
      this.#send({ id, value });
    } catch (error) {
      const code = error instanceof LeaseStoreError ? error.code : 'Unavailable';
      this.#send({ id, error: { code, text: messageOf(error) } });
    } finally {
      this.#calls.delete(id);
    }
  }

  async #act(call: Call, deadline: { signal: AbortSignal; timeoutMs?: number }): Promise<unknown> {
    const { store } = this.#options;
    if (call.verb === 'get') return (await store.get(call.name, deadline))?.raw;
    if (call.verb === 'list') {
      return (await store.list(call.labels, deadline)).map(({ raw }) => raw);
    }
    if (call.verb === 'update') {
      const outcome = await store.update(leaseOf(call.raw), call.change, deadline);
      if (outcome.kind === 'won') return outcome.lease.raw;
      throw new LeaseStoreError(outcome.reason, outcome.message);
    }
    const { admin } = this.#options;
    if (admin === undefined) {
      throw new LeaseStoreError('Forbidden', `${call.verb}: this channel may only get and update`);
    }
    if (call.verb === 'create') return (await admin.create(call.lease, deadline)).raw;
    if (call.verb === 'delete') return admin.delete(call.name, call.uid, deadline);
    throw new LeaseStoreError('Invalid', `unknown verb ${JSON.stringify(call)}`);
  }

  #watch(id: number, labels: Readonly<Record<string, string>>): void {
    if (this.#watches.size >= CHANNEL_WATCHES_MAX || this.#watches.has(id)) {
      // A client of ours never does that: it counts its watches.
      void this.close();
      return;
    }
    this.#watches.set(id, { labels, running: undefined, turn: 0 });
    if (!this.#options.channel.full) this.#begin(id);
  }

  #begin(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    const turn = ++watch.turn;
    const isOver = () => watch.turn !== turn || this.#closed;
    this.#send({ watch: id, tells: 'restart' });
    const running = this.#options.store.watch(watch.labels, ({ kind, lease }) => {
      if (isOver()) return;
      this.#send({ watch: id, tells: kind, raw: lease.raw });
      if (this.#options.channel.full) this.#suspend(watch);
    });
    watch.running = running;
    void running.ready.then(() => {
      if (isOver()) return;
      this.#send({ watch: id, tells: 'ready' });
      this.#send({ watch: id, tells: 'age', ageMs: running.ageMs() });
    });
  }

  /** Tells nothing until the channel has drained, then everything anew. */
  #suspend(watch: ServedWatch): void {
    const { running } = watch;
    watch.turn++;
    watch.running = undefined;
    void running?.[Symbol.asyncDispose]();
  }

  #unwatch(id: number): void {
    const watch = this.#watches.get(id);
    this.#watches.delete(id);
    if (watch !== undefined) this.#suspend(watch);
  }

  #drained(): void {
    for (const [id, { running }] of this.#watches) {
      if (running === undefined && !this.#options.channel.full) this.#begin(id);
    }
  }

  #heartbeat(): void {
    this.#cancelHeartbeat = this.#scheduler.after(CHANNEL_HEARTBEAT_MS, () => {
      for (const [id, { running }] of this.#watches) {
        if (running !== undefined && !this.#options.channel.full) {
          this.#send({ watch: id, tells: 'age', ageMs: running.ageMs() });
        }
      }
      this.#heartbeat();
    });
  }

  #send(message: FromServer): void {
    if (!this.#closed) this.#options.channel.send(message);
  }
}

function isReadable(message: unknown): message is FromClient {
  if (typeof message !== 'object' || message === null) return false;
  const { verb, id, labels } = message as Readonly<Record<string, unknown>>;
  if (typeof verb !== 'string' || !Number.isSafeInteger(id)) return false;
  const labelled = verb === 'watch' || verb === 'list';
  return !labelled || (typeof labels === 'object' && labels !== null);
}
