/**
 * What exists of one selection of objects, kept up to date: a list, then a watch, healed for ever.
 *
 * Why not the informer of @kubernetes/client-node 2.0.1: one broken socket stops it; it asks for no
 * bookmarks, so that it can tell neither a quiet resource from a dead server nor resume after one;
 * it goes on after an ERROR event and after a line that it cannot read.
 *
 * - A broken or silent watch is resumed from the last version heard of, at first almost at once,
 *   then with growing, jittered pauses. That loses nothing.
 * - 410 (the version is forgotten), an unreadable line or any other ERROR event: list anew. What is
 *   missing in the new list is told as deleted; an object of the same name with another UID as
 *   deleted and put.
 * - The age is the time since the server was last heard: an answer, an event, a bookmark.
 */
import type { IncomingMessage } from 'node:http';
import { Backoff } from './backoff.ts';
import type { KubernetesClient, Selection } from './client.ts';
import { isExpired, KubernetesError } from './errors.ts';
import { BadLineError, jsonLines } from './json-lines.ts';
import {
  RETRY_FIRST_MS,
  RETRY_LAST_MS,
  WATCH_DURATION_SECONDS_MAX,
  WATCH_DURATION_SECONDS_MIN,
  WATCH_HEALTHY_MS,
  WATCH_SILENCE_MS_MAX,
} from './limits.ts';
import type { KubernetesObject, Resource } from './resources.ts';

export type InformerEvent<T> =
  | { readonly kind: 'put'; readonly object: T; readonly before: T | undefined }
  | { readonly kind: 'deleted'; readonly object: T };

export interface InformerOptions<T> {
  readonly client: KubernetesClient;
  readonly resource: Resource;
  readonly selection?: Selection;
  /** Must not throw: that is a bug, and ends the process. */
  readonly onEvent: (event: InformerEvent<T>) => void;
  /** Told of every failure, before the pause; for logs. */
  readonly onError?: (error: Error) => void;
  readonly random?: () => number;
  readonly retryFirstMs?: number;
  readonly retryLastMs?: number;
}

interface WatchLine {
  readonly type?: unknown;
  readonly object?: KubernetesObject & { readonly code?: number; readonly message?: string };
}

export class Informer<T extends KubernetesObject> implements AsyncDisposable {
  /** Resolves when the first list has been told. */
  readonly ready: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #resolveReady: () => void = () => {};
  #heardAtMs: number;
  /** To watch from; undefined: list first. */
  #resourceVersion: string | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    const { random = Math.random, retryFirstMs = RETRY_FIRST_MS } = options;
    const { retryLastMs = RETRY_LAST_MS, client } = options;
    this.#backoff = new Backoff({ firstMs: retryFirstMs, lastMs: retryLastMs, random });
    this.#heardAtMs = client.scheduler.nowMs();
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    this.#ended = this.#run();
    // An exception in a handler is a bug: it must not leave a silent, dead informer behind.
    this.#ended.catch((error: unknown) => {
      queueMicrotask(() => {
        throw error;
      });
    });
  }

  /** Milliseconds since the API server was last heard: for `rdb_kubernetes_watch_age_seconds`. */
  ageMs(): number {
    return this.#options.client.scheduler.nowMs() - this.#heardAtMs;
  }

  /** As last told. */
  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(`${namespace ?? ''}/${name}`);
  }

  /** All objects as last told. */
  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** Tells nothing more from now on; resolves when the connection is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended.catch(() => {});
  }

  async #run(): Promise<void> {
    const { client, onError = () => {} } = this.#options;
    while (!this.#stop.signal.aborted) {
      const startMs = client.scheduler.nowMs();
      let failure: Error | undefined;
      try {
        if (this.#resourceVersion === undefined) await this.#list();
        await this.#watch();
      } catch (error) {
        if (!(error instanceof KubernetesError)) throw error;
        failure = error;
        if (isExpired(error) || error.reason === 'BadEvent') this.#resourceVersion = undefined;
      }
      if (this.#stop.signal.aborted) return;
      if (failure !== undefined) onError(failure);
      if (client.scheduler.nowMs() - startMs >= WATCH_HEALTHY_MS) this.#backoff.reset();
      const retryAfterMs = failure instanceof KubernetesError ? (failure.retryAfterMs ?? 0) : 0;
      await this.#pause(Math.max(this.#backoff.nextMs(), retryAfterMs));
    }
  }

  async #list(): Promise<void> {
    const { client, resource, selection = {} } = this.#options;
    const { signal } = this.#stop;
    const { items, resourceVersion } = await client.list<T>(resource, selection, { signal });
    if (signal.aborted) return;
    this.#heard();
    const keys = new Set(items.map(keyOf));
    for (const [key, object] of [...this.#objects]) {
      if (!keys.has(key)) this.#deleted(object);
    }
    for (const object of items) this.#put(object);
    this.#resourceVersion = resourceVersion;
    this.#resolveReady();
  }

  /** Returns when the server ends the watch; throws when it breaks, or the server falls silent. */
  async #watch(): Promise<void> {
    const { client, resource, selection = {}, random = Math.random } = this.#options;
    const { signal } = this.#stop;
    const range = WATCH_DURATION_SECONDS_MAX - WATCH_DURATION_SECONDS_MIN;
    const stream = await client.openWatch(resource, selection, {
      resourceVersion: this.#resourceVersion ?? '',
      timeoutSeconds: WATCH_DURATION_SECONDS_MIN + Math.floor(random() * range),
      signal,
    });
    this.#heard();
    const destroy = () => stream.destroy();
    signal.addEventListener('abort', destroy);
    try {
      for await (const line of jsonLines(this.#guarded(stream))) {
        if (signal.aborted) return;
        this.#event(line as WatchLine);
      }
    } catch (error) {
      if (error instanceof KubernetesError || !isStreamError(error)) throw error;
      throw new KubernetesError(`watch of ${resource.plural}: ${error.message}`, {
        effect: 'none',
        reason: error instanceof BadLineError ? 'BadEvent' : 'Broken',
        cause: error,
      });
    } finally {
      signal.removeEventListener('abort', destroy);
      stream.destroy();
    }
  }

  /** The stream; destroyed if nothing comes for too long. */
  async *#guarded(stream: IncomingMessage): AsyncGenerator<Buffer> {
    const { scheduler } = this.#options.client;
    const silent = () =>
      stream.destroy(new StreamError(`nothing heard for ${WATCH_SILENCE_MS_MAX} ms`));
    let cancel = scheduler.after(WATCH_SILENCE_MS_MAX, silent);
    try {
      for await (const chunk of wrapErrors(stream)) {
        cancel();
        cancel = scheduler.after(WATCH_SILENCE_MS_MAX, silent);
        this.#heard();
        yield chunk;
      }
    } finally {
      cancel();
    }
  }

  #event({ type, object }: WatchLine): void {
    const { resource } = this.#options;
    const version = object?.metadata?.resourceVersion;
    if (type === 'ERROR') {
      const { code, message } = object ?? {};
      const failure = { effect: 'none', status: code, reason: 'BadEvent' } as const;
      throw new KubernetesError(`watch of ${resource.plural}: ${code} ${message}`, failure);
    }
    if (version === undefined) {
      const failure = { effect: 'none', reason: 'BadEvent' } as const;
      throw new KubernetesError(`watch of ${resource.plural}: an event without version`, failure);
    }
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(object as T);
    else if (type === 'DELETED') this.#deleted(object as T);
    this.#resourceVersion = version;
    this.#backoff.reset();
  }

  #put(object: T): void {
    const key = keyOf(object);
    let before = this.#objects.get(key);
    if (before?.metadata?.resourceVersion === object.metadata?.resourceVersion && before) return;
    if (before !== undefined && before.metadata?.uid !== object.metadata?.uid) {
      this.#deleted(before);
      before = undefined;
    }
    this.#objects.set(key, object);
    this.#options.onEvent({ kind: 'put', object, before });
  }

  #deleted(object: T): void {
    if (this.#objects.delete(keyOf(object))) this.#options.onEvent({ kind: 'deleted', object });
  }

  #heard(): void {
    this.#heardAtMs = this.#options.client.scheduler.nowMs();
  }

  async #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.client.scheduler.after(delayMs, resolve);
    const wake = () => resolve();
    signal.addEventListener('abort', wake);
    await promise;
    signal.removeEventListener('abort', wake);
    cancel();
  }
}

/** The connection's fault, in contrast to an exception of an event's handler. */
class StreamError extends Error {
  override readonly name = 'StreamError';
}

function isStreamError(error: unknown): error is Error {
  return error instanceof StreamError || error instanceof BadLineError;
}

async function* wrapErrors(stream: IncomingMessage): AsyncGenerator<Buffer> {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    let next: IteratorResult<Buffer>;
    try {
      next = await iterator.next();
    } catch (error) {
      throw new StreamError(error instanceof Error ? error.message : String(error));
    }
    if (next.done) return;
    yield next.value;
  }
}

function keyOf({ metadata }: KubernetesObject): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
