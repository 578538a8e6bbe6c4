/**
 * A thin client of the Kubernetes API: objects as JSON, every request with a deadline, every
 * failure with what is known of its effect. No request is retried here.
 *
 * Why not the generated classes of @kubernetes/client-node: they drop fields that they don't know
 * and turn MicroTime into Date, so an object cannot be sent back as it was read; and they open a TLS
 * connection for every request, which a failover would have to wait for.
 */
import type { Connection } from './connection.ts';
import { isNotFound, KubernetesError } from './errors.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import { type HttpRequest, openStream, send } from './request.ts';
import { type KubernetesObject, type ObjectReference, pathOf, type Resource } from './resources.ts';
import { realScheduler, type Scheduler } from './scheduler.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

export interface RequestDone {
  readonly verb: Verb;
  /** HTTP status, or `Timeout`, `Aborted`, `Unreachable`, `Broken`. */
  readonly code: string;
  /** Of a watch: until its head. */
  readonly durationSeconds: number;
}

export interface ClientOptions {
  readonly connection: Connection;
  readonly scheduler?: Scheduler;
  /** For `rdb_kubernetes_request_duration_seconds{verb,code}`. */
  readonly onRequest?: (request: RequestDone) => void;
}

export interface Deadline {
  readonly signal?: AbortSignal | undefined;
  /** Default `REQUEST_TIMEOUT_MS`. */
  readonly timeoutMs?: number | undefined;
}

export interface Selection {
  /** Undefined: of all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

export interface DeleteOptions extends Deadline {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
}

export interface PatchOptions extends Deadline {
  readonly subresource?: string;
  /** `apply` is server-side apply and needs `fieldManager`; it makes the object if it is missing. */
  readonly type?: 'merge' | 'strategic' | 'apply';
  readonly fieldManager?: string;
  readonly force?: boolean;
}

const PATCH_TYPE = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** All methods throw KubernetesError. */
export class KubernetesClient {
  readonly connection: Connection;
  readonly scheduler: Scheduler;
  readonly #onRequest: (request: RequestDone) => void;

  constructor({ connection, scheduler = realScheduler, onRequest = () => {} }: ClientOptions) {
    this.connection = connection;
    this.scheduler = scheduler;
    this.#onRequest = onRequest;
  }

  /** What the API server holds now (a quorum read), or undefined. */
  async get<T extends KubernetesObject>(
    resource: Resource,
    reference: ObjectReference,
    deadline: Deadline = {},
  ): Promise<T | undefined> {
    try {
      const path = pathOf(resource, reference);
      return (await this.#send('get', { method: 'GET', path }, deadline)) as T;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All objects of a selection, as they are now. */
  async list<T extends KubernetesObject>(
    resource: Resource,
    { namespace, labelSelector, fieldSelector }: Selection = {},
    deadline: Deadline = {},
  ): Promise<ObjectList<T>> {
    const query = queryOf({ labelSelector, fieldSelector });
    const path = pathOf(resource, { namespace }) + query;
    const body = await this.#send('list', { method: 'GET', path }, deadline);
    const { items, metadata } = body as {
      readonly items?: readonly T[] | null;
      readonly metadata?: { readonly resourceVersion?: string };
    };
    if (metadata?.resourceVersion === undefined) {
      const failure = { effect: 'none', reason: 'Broken' } as const;
      throw new KubernetesError(`GET ${path}: answered with no list`, failure);
    }
    return { items: items ?? [], resourceVersion: metadata.resourceVersion };
  }

  async create<T extends KubernetesObject>(
    resource: Resource,
    object: T,
    deadline: Deadline = {},
  ): Promise<T> {
    const path = pathOf(resource, { namespace: object.metadata?.namespace });
    return (await this.#send('create', { method: 'POST', path, body: object }, deadline)) as T;
  }

  /** Compare-and-set if the object has a resourceVersion; of `status` alone if so named. */
  async replace<T extends KubernetesObject>(
    resource: Resource,
    object: T,
    { subresource, ...deadline }: Deadline & { readonly subresource?: string } = {},
  ): Promise<T> {
    const { namespace, name = '' } = object.metadata ?? {};
    const path = pathOf(resource, { namespace, name, subresource });
    return (await this.#send('update', { method: 'PUT', path, body: object }, deadline)) as T;
  }

  async patch<T extends KubernetesObject>(
    resource: Resource,
    { namespace, name }: ObjectReference,
    patch: unknown,
    { subresource, type = 'merge', fieldManager, force, ...deadline }: PatchOptions = {},
  ): Promise<T> {
    const query = queryOf({ fieldManager, force: force === undefined ? undefined : String(force) });
    const path = pathOf(resource, { namespace, name, subresource }) + query;
    const request = { method: 'PATCH', path, body: patch, contentType: PATCH_TYPE[type] } as const;
    return (await this.#send('patch', request, deadline)) as T;
  }

  /** Nothing happens if it is gone already. A failed precondition is a 409 `Conflict`. */
  async delete(
    resource: Resource,
    reference: ObjectReference,
    options: DeleteOptions = {},
  ): Promise<void> {
    const { uid, resourceVersion, propagationPolicy = 'Background', ...rest } = options;
    const { gracePeriodSeconds, ...deadline } = rest;
    const preconditions = { uid, resourceVersion };
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      preconditions,
      propagationPolicy,
      gracePeriodSeconds,
    };
    const path = pathOf(resource, reference);
    try {
      await this.#send('delete', { method: 'DELETE', path, body }, deadline);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** The raw stream of a watch: use `Informer`, which heals it. */
  openWatch(
    resource: Resource,
    selection: Selection,
    options: { readonly resourceVersion: string; readonly timeoutSeconds: number } & Deadline,
  ) {
    const { resourceVersion, timeoutSeconds, signal, timeoutMs = REQUEST_TIMEOUT_MS } = options;
    const query = queryOf({
      watch: 'true',
      allowWatchBookmarks: 'true',
      labelSelector: selection.labelSelector,
      fieldSelector: selection.fieldSelector,
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    });
    const path = pathOf(resource, { namespace: selection.namespace }) + query;
    const request = { method: 'GET', path, signal, timeoutMs } as const;
    return this.#timed('watch', async () => {
      const stream = await openStream(this.connection, this.scheduler, request);
      return { status: stream.statusCode ?? 0, stream };
    }).then(({ stream }) => stream);
  }

  async #send(
    verb: Verb,
    request: Omit<HttpRequest, 'timeoutMs' | 'signal'>,
    { signal, timeoutMs = REQUEST_TIMEOUT_MS }: Deadline,
  ): Promise<unknown> {
    const full = { ...request, signal, timeoutMs };
    return (await this.#timed(verb, () => send(this.connection, this.scheduler, full))).body;
  }

  async #timed<T extends { readonly status: number }>(
    verb: Verb,
    run: () => Promise<T>,
  ): Promise<T> {
    const startMs = this.scheduler.nowMs();
    const done = (code: string) =>
      this.#onRequest({ verb, code, durationSeconds: (this.scheduler.nowMs() - startMs) / 1000 });
    try {
      const answer = await run();
      done(String(answer.status));
      return answer;
    } catch (error) {
      if (error instanceof KubernetesError) done(String(error.status ?? error.reason));
      throw error;
    }
  }
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, value);
  }
  return query.size === 0 ? '' : `?${query}`;
}
