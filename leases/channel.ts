/**
 * A LeaseStore over a duplex channel of messages.
 *
 * `serveLeases` (channel-server.ts) lets a channel use a store; `ChannelStore` is that store seen
 * from the other end. Two kinds of channel: a MessagePort between threads (`portChannel`), a local
 * socket between processes (channel-socket.ts), which connects anew when it breaks.
 *
 * When a connection breaks, requests that were sent on it are lost: updates are `unresolved`. Those
 * not yet sent wait for the next connection until their deadline; then nothing of them was sent.
 * Watches are begun anew, and tell only the difference.
 */
import type { MessagePort } from 'node:worker_threads';
import { Backoff } from '@r-db/kubernetes/backoff.ts';
import { realScheduler, type Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { portChannel } from './channel-port.ts';
import type { Call, Channel, FromServer } from './channel-protocol.ts';
import { ChannelWatch } from './channel-watch.ts';
import { failedUpdate, LeaseStoreError, type LeaseStoreErrorCode } from './errors.ts';
import {
  CHANNEL_RECONNECT_FIRST_MS,
  CHANNEL_RECONNECT_LAST_MS,
  CHANNEL_REQUESTS_MAX,
  CHANNEL_TIMEOUT_MARGIN,
  CHANNEL_WATCHES_MAX,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import { leaseOf } from './raw.ts';
import type {
  Deadline,
  Lease,
  LeaseAdmin,
  LeaseChange,
  LeaseEvent,
  LeaseWatch,
  NewLease,
  UpdateOutcome,
} from './store.ts';

export { serveLeases } from './channel-server.ts';
export { portChannel };

export interface ChannelStoreOptions {
  /** Opens a connection. Resolves to undefined if there will never be one again. */
  readonly connect: () => Promise<Channel | undefined>;
  readonly scheduler?: Scheduler;
  readonly random?: () => number;
  /** Told of broken connections and of those that could not be made; for logs. */
  readonly onError?: (error: Error) => void;
}

interface Pending {
  readonly call: Call;
  readonly settle: (
    reply: { readonly value: unknown } | { readonly error: LeaseStoreError },
  ) => void;
  sent: boolean;
}

/** The store at the other end of a MessagePort. Disposing of it closes the port. */
export function channelStore(
  port: MessagePort,
  scheduler: Scheduler = realScheduler,
): ChannelStore {
  let channel: Channel | undefined = portChannel(port);
  const connect = async () => {
    const only = channel;
    channel = undefined;
    return only;
  };
  return new ChannelStore({ connect, scheduler });
}

export class ChannelStore implements LeaseAdmin, AsyncDisposable {
  readonly #options: ChannelStoreOptions;
  readonly #scheduler: Scheduler;
  readonly #pending = new Map<number, Pending>();
  readonly #watches = new Map<number, ChannelWatch>();
  readonly #backoff: Backoff;
  readonly #ended: Promise<void>;
  readonly #stop = Promise.withResolvers<void>();
  #channel: Channel | undefined;
  #closed = false;
  #ids = 0;

  constructor(options: ChannelStoreOptions) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? realScheduler;
    this.#backoff = new Backoff({
      firstMs: CHANNEL_RECONNECT_FIRST_MS,
      lastMs: CHANNEL_RECONNECT_LAST_MS,
      random: options.random ?? Math.random,
    });
    this.#ended = this.#run();
  }

  async get(name: string, deadline?: Deadline): Promise<Lease | undefined> {
    const raw = await this.#call({ verb: 'get', name }, deadline);
    return raw === undefined || raw === null ? undefined : leaseOf(raw);
  }

  async list(
    labels: Readonly<Record<string, string>>,
    deadline?: Deadline,
  ): Promise<readonly Lease[]> {
    const raws = await this.#call({ verb: 'list', labels }, deadline);
    if (!Array.isArray(raws)) throw new LeaseStoreError('Malformed', 'list: answered with no list');
    return raws.map(leaseOf);
  }

  async update(lease: Lease, change: LeaseChange, deadline?: Deadline): Promise<UpdateOutcome> {
    try {
      const call = { verb: 'update', raw: lease.raw, change } as const;
      return { kind: 'won', lease: leaseOf(await this.#call(call, deadline)) };
    } catch (error) {
      if (error instanceof LeaseStoreError) return failedUpdate(error);
      throw error;
    }
  }

  async create(lease: NewLease, deadline?: Deadline): Promise<Lease> {
    return leaseOf(await this.#call({ verb: 'create', lease }, deadline));
  }

  async delete(name: string, uid: string, deadline?: Deadline): Promise<void> {
    await this.#call({ verb: 'delete', name, uid }, deadline);
  }

  /** Throws LeaseStoreError `TooManyRequests` if there are too many watches already. */
  watch(
    labels: Readonly<Record<string, string>>,
    onEvent: (event: LeaseEvent) => void,
  ): LeaseWatch {
    if (this.#watches.size >= CHANNEL_WATCHES_MAX) {
      throw new LeaseStoreError('TooManyRequests', `more than ${CHANNEL_WATCHES_MAX} watches`);
    }
    const id = ++this.#ids;
    const watch = new ChannelWatch({
      labels,
      onEvent,
      scheduler: this.#scheduler,
      onClose: () => {
        this.#watches.delete(id);
        this.#channel?.send({ verb: 'unwatch', id });
      },
    });
    this.#watches.set(id, watch);
    this.#channel?.send({ verb: 'watch', id, labels });
    return watch;
  }

  /** Requests under way end with `Closed`; updates as `unresolved`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#stop.resolve();
    this.#channel?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const channel = await this.#connect();
      if (channel === 'never') break;
      if (channel !== undefined) await this.#use(channel);
      if (!this.#closed) await this.#pause(this.#backoff.nextMs());
    }
    this.#closed = true;
    this.#fail('Closed', 'the store is closed', () => true);
  }

  async #connect(): Promise<Channel | undefined | 'never'> {
    try {
      return (await this.#options.connect()) ?? 'never';
    } catch (error) {
      this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  /** Resolves when the channel is closed. */
  async #use(channel: Channel): Promise<void> {
    const closed = new Promise<Error | undefined>((resolve) => {
      channel.open({
        onMessage: (message) => this.#message(message as FromServer),
        onClose: resolve,
        onDrain: () => {},
      });
    });
    if (this.#closed) channel.close();
    this.#channel = channel;
    for (const [id, { labels }] of this.#watches) channel.send({ verb: 'watch', id, labels });
    for (const pending of this.#pending.values()) this.#transmit(pending);
    const error = await closed;
    this.#channel = undefined;
    if (error !== undefined) this.#options.onError?.(error);
    this.#fail('Unavailable', 'the connection to the store broke', ({ sent }) => sent);
  }

  #message(message: FromServer): void {
    this.#backoff.reset();
    if ('watch' in message) {
      this.#watches.get(message.watch)?.message(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if ('error' in message) {
      const { code, text } = message.error;
      pending?.settle({ error: new LeaseStoreError(code, text) });
    } else {
      pending?.settle({ value: message.value });
    }
  }

  #call(call: Call, { signal, timeoutMs = REQUEST_TIMEOUT_MS }: Deadline = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++this.#ids;
    const failNow = (code: LeaseStoreErrorCode, text: string) =>
      pending.settle({ error: new LeaseStoreError(code, `${call.verb}: ${text}`) });
    const onAbort = () => {
      this.#cancel(id);
      failNow('Aborted', 'called off');
    };
    const cancelTimer = this.#scheduler.after(timeoutMs, () => {
      this.#cancel(id);
      if (pending.sent) failNow('Timeout', `no answer in ${timeoutMs} ms`);
      else failNow('Unreachable', `no connection to the store in ${timeoutMs} ms`);
    });
    const pending: Pending = {
      // The server ends first: it may know that nothing was sent.
      call: { ...call, id, timeoutMs: timeoutMs * (1 - CHANNEL_TIMEOUT_MARGIN) },
      sent: false,
      settle: (reply) => {
        this.#pending.delete(id);
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        if ('error' in reply) reject(reply.error);
        else resolve(reply.value);
      },
    };
    if (signal?.aborted) failNow('Aborted', 'called off');
    else if (this.#closed) failNow('Closed', 'the store is closed');
    else if (this.#pending.size >= CHANNEL_REQUESTS_MAX) {
      failNow('TooManyRequests', `more than ${CHANNEL_REQUESTS_MAX} requests under way`);
    } else {
      signal?.addEventListener('abort', onAbort);
      this.#pending.set(id, pending);
      this.#transmit(pending);
    }
    return promise;
  }

  #transmit(pending: Pending): void {
    if (this.#channel === undefined || pending.sent) return;
    pending.sent = true;
    this.#channel.send(pending.call);
  }

  #cancel(id: number): void {
    if (this.#pending.get(id)?.sent) this.#channel?.send({ verb: 'cancel', id });
  }

  #fail(code: LeaseStoreErrorCode, text: string, which: (pending: Pending) => boolean): void {
    for (const pending of [...this.#pending.values()]) {
      if (which(pending)) pending.settle({ error: new LeaseStoreError(code, text) });
    }
  }

  async #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#scheduler.after(delayMs, resolve);
    await Promise.race([promise, this.#stop.promise]);
    cancel();
  }
}
