/**
 * Leases in memory, with faults to order: what the Kubernetes API server does, good and bad, for
 * tests, the simulation and the supervisor of a local cluster.
 *
 * `MemoryLeases` is the server; `client(name)` gives a store that sees it through its own faults.
 * Deterministic: time and every fault come from outside, UIDs and versions count upwards.
 */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { failedUpdate, LeaseStoreError } from './errors.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import { MemoryObjects } from './memory-objects.ts';
import { MemoryWatch } from './memory-watch.ts';
import { changedRaw, newRaw } from './raw.ts';
import type { Deadline, Lease, LeaseAdmin, LeaseChange, NewLease, UpdateOutcome } from './store.ts';

export type MemoryVerb = 'get' | 'list' | 'update' | 'create' | 'delete' | 'watch' | 'event';

/** What a fault is ordered for. */
export interface MemoryRequest {
  readonly client: string;
  readonly verb: MemoryVerb;
  /** Of the Lease; undefined for lists and the start of a watch. */
  readonly name: string | undefined;
}

/** What goes wrong with a request. All may be combined; nothing set: it just works. */
export interface MemoryFault {
  /** Until the server sees the request. Beyond the deadline: it takes effect after the caller gave up. */
  readonly requestDelayMs?: number;
  /** Until the caller sees the answer, or the watch the event. */
  readonly replyDelayMs?: number;
  /** `request`: it never arrives. `reply`: it takes effect and nobody hears of it. */
  readonly lose?: 'request' | 'reply';
  /** Answered with this code; nothing takes effect, except for 500 with `applied`. */
  readonly code?: 403 | 409 | 422 | 429 | 500;
  readonly applied?: boolean;
  /** Lists and starts of watches: told the state of so many changes ago. */
  readonly staleChanges?: number;
}

/** `frozen`: requests wait and take effect when it ends. `refusing`: connections are refused. */
export type Outage = 'none' | 'frozen' | 'refusing';

export interface MemoryLeasesOptions {
  readonly scheduler: Scheduler;
  readonly namespace?: string;
  readonly fault?: (request: MemoryRequest) => MemoryFault | undefined;
}

export class MemoryLeases {
  readonly scheduler: Scheduler;
  readonly objects: MemoryObjects;
  #fault: (request: MemoryRequest) => MemoryFault | undefined;
  readonly #outages = new Map<string, Outage>();
  readonly #watches = new Set<MemoryWatch>();
  #thawed: (() => void)[] = [];

  constructor({ scheduler, namespace = 'default', fault = () => undefined }: MemoryLeasesOptions) {
    this.scheduler = scheduler;
    this.objects = new MemoryObjects(namespace);
    this.#fault = fault;
    this.objects.onChange((change) => {
      for (const watch of this.#watches) watch.changed(change);
    });
  }

  /** A store as one process sees it; faults and outages can be ordered for it by name. */
  client(name: string): LeaseAdmin {
    return new MemoryClient(this, name);
  }

  /** Replaces the function that is asked, for every request, what goes wrong with it. */
  setFault(fault: (request: MemoryRequest) => MemoryFault | undefined): void {
    this.#fault = fault;
  }

  /** Starts or ends an outage, for one client or (by default) for all. */
  setOutage(outage: Outage, client = '*'): void {
    this.#outages.set(client, outage);
    const thawed = this.#thawed;
    this.#thawed = [];
    for (const task of thawed) task();
    for (const watch of this.#watches) watch.setConnected(this.outageOf(watch.client) === 'none');
  }

  /** Breaks the watches (of one client): they list anew, `staleChanges` changes ago if given. */
  breakWatches({
    client,
    staleChanges = 0,
  }: {
    client?: string;
    staleChanges?: number;
  } = {}): void {
    for (const watch of this.#watches) {
      if (client === undefined || watch.client === client) watch.relist(staleChanges);
    }
  }

  outageOf(client: string): Outage {
    const own = this.#outages.get(client) ?? 'none';
    return own === 'none' ? (this.#outages.get('*') ?? 'none') : own;
  }

  faultOf(request: MemoryRequest): MemoryFault {
    return this.#fault(request) ?? {};
  }

  addWatch(watch: MemoryWatch): void {
    this.#watches.add(watch);
  }

  removeWatch(watch: MemoryWatch): void {
    this.#watches.delete(watch);
  }

  /** Runs the task when the server next looks at this client's requests. */
  whenThawed(client: string, task: () => void): void {
    if (this.outageOf(client) !== 'frozen') task();
    else this.#thawed.push(() => this.whenThawed(client, task));
  }
}

type Reply<T> = { readonly value: T } | { readonly error: LeaseStoreError };

class MemoryClient implements LeaseAdmin {
  readonly #server: MemoryLeases;
  readonly #name: string;

  constructor(server: MemoryLeases, name: string) {
    this.#server = server;
    this.#name = name;
  }

  get(name: string, deadline?: Deadline): Promise<Lease | undefined> {
    return this.#send('get', name, deadline, () => this.#server.objects.get(name));
  }

  list(labels: Readonly<Record<string, string>>, deadline?: Deadline): Promise<readonly Lease[]> {
    return this.#send('list', undefined, deadline, ({ staleChanges = 0 }) =>
      this.#server.objects.list(labels, staleChanges),
    );
  }

  async update(lease: Lease, change: LeaseChange, deadline?: Deadline): Promise<UpdateOutcome> {
    const raw = changedRaw(lease, change);
    try {
      const put = () => this.#server.objects.put(raw);
      return { kind: 'won', lease: await this.#send('update', lease.name, deadline, put) };
    } catch (error) {
      if (error instanceof LeaseStoreError) return failedUpdate(error);
      throw error;
    }
  }

  create(lease: NewLease, deadline?: Deadline): Promise<Lease> {
    const { objects } = this.#server;
    const create = () => objects.create(newRaw(lease, objects.namespace));
    return this.#send('create', lease.name, deadline, create);
  }

  delete(name: string, uid: string, deadline?: Deadline): Promise<void> {
    return this.#send('delete', name, deadline, () => this.#server.objects.delete(name, uid));
  }

  watch(
    labels: Readonly<Record<string, string>>,
    onEvent: Parameters<LeaseAdmin['watch']>[1],
  ): MemoryWatch {
    return new MemoryWatch(this.#server, { client: this.#name, labels, onEvent });
  }

  /** Sends a request through its faults. The server acts at most once, whatever the caller hears. */
  #send<T>(
    verb: MemoryVerb,
    name: string | undefined,
    { signal, timeoutMs = REQUEST_TIMEOUT_MS }: Deadline = {},
    act: (fault: MemoryFault) => T,
  ): Promise<T> {
    const server = this.#server;
    const { scheduler } = server;
    const client = this.#name;
    const what = name === undefined ? verb : `${verb} of Lease ${name}`;
    const fault = server.faultOf({ client, verb, name });
    return new Promise<T>((resolve, reject) => {
      let cancelTimer = () => {};
      const settle = (reply: Reply<T>) => {
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        if ('error' in reply) reject(reply.error);
        else resolve(reply.value);
      };
      const fail = (code: 'Aborted' | 'Timeout' | 'Unreachable', message: string) =>
        settle({ error: new LeaseStoreError(code, `${what}: ${message}`) });
      const onAbort = () => fail('Aborted', 'called off');
      if (signal?.aborted) return onAbort();
      if (server.outageOf(client) === 'refusing') return fail('Unreachable', 'connection refused');
      signal?.addEventListener('abort', onAbort);
      cancelTimer = scheduler.after(timeoutMs, () => fail('Timeout', `none in ${timeoutMs} ms`));
      if (fault.lose === 'request') return;
      const answer = (reply: Reply<T>) => {
        if (fault.lose !== 'reply') later(scheduler, fault.replyDelayMs, () => settle(reply));
      };
      later(scheduler, fault.requestDelayMs, () =>
        server.whenThawed(client, () => answer(reply(what, fault, act))),
      );
    });
  }
}

function reply<T>(what: string, fault: MemoryFault, act: (fault: MemoryFault) => T): Reply<T> {
  const ordered = fault.code === undefined ? undefined : errorOf(fault.code, what);
  if (ordered !== undefined && !(fault.code === 500 && fault.applied)) return { error: ordered };
  try {
    const value = act(fault);
    return ordered === undefined ? { value } : { error: ordered };
  } catch (error) {
    if (error instanceof LeaseStoreError) return { error: ordered ?? error };
    throw error;
  }
}

function errorOf(code: 403 | 409 | 422 | 429 | 500, what: string): LeaseStoreError {
  const table = {
    403: 'Forbidden',
    409: 'Conflict',
    422: 'Invalid',
    429: 'TooManyRequests',
    500: 'Unavailable',
  } as const;
  return new LeaseStoreError(table[code], `${what}: answered ${code}, as ordered`);
}

function later(scheduler: Scheduler, delayMs: number | undefined, task: () => void): void {
  if (delayMs === undefined || delayMs <= 0) task();
  else scheduler.after(delayMs, task);
}
