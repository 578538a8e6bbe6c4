/** One HTTP request to the API server, and what is known of its effect when it fails. */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Connection } from './connection.ts';
import { KubernetesError } from './errors.ts';
import { KEEP_ALIVE_PROBE_MS, RESPONSE_BYTES_MAX, RETRY_AFTER_MS_MAX } from './limits.ts';
import type { Scheduler } from './scheduler.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Until the whole answer is there; for a stream, until its head is. */
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Resolves for 2xx; else throws KubernetesError. */
export async function send(
  connection: Connection,
  scheduler: Scheduler,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const exchange = new Exchange(connection, scheduler, request);
  try {
    const response = await exchange.head();
    const text = await textOf(response);
    return { status: response.statusCode ?? 0, body: parse(request, response, text) };
  } catch (error) {
    throw exchange.failure(error);
  } finally {
    exchange.end();
  }
}

/** The body of an answer 2xx, as it comes; the caller destroys it. */
export async function openStream(
  connection: Connection,
  scheduler: Scheduler,
  request: HttpRequest,
): Promise<IncomingMessage> {
  const exchange = new Exchange(connection, scheduler, request);
  try {
    const response = await exchange.head();
    if (isSuccess(response)) return response;
    parse(request, response, await textOf(response));
    throw new Error('an answer that is no success must have thrown');
  } catch (error) {
    throw exchange.failure(error);
  } finally {
    exchange.end();
  }
}

class Exchange {
  readonly #connection: Connection;
  readonly #request: HttpRequest;
  #client: ClientRequest | undefined;
  /** Something of the request may have left this process. */
  #sent = false;
  #stopped: 'Timeout' | 'Aborted' | undefined;
  readonly #cancelTimer: () => void;
  readonly #onAbort = () => this.#stop('Aborted');

  constructor(connection: Connection, scheduler: Scheduler, request: HttpRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#cancelTimer = scheduler.after(request.timeoutMs, () => this.#stop('Timeout'));
    request.signal?.addEventListener('abort', this.#onAbort);
    if (request.signal?.aborted) this.#stop('Aborted');
  }

  /** Resolves with the head of the answer. */
  async head(): Promise<IncomingMessage> {
    const { headers, agent } = await this.#connection.access();
    if (this.#stopped !== undefined) throw new Error(this.#stopped);
    const { method, path, body, contentType = 'application/json' } = this.#request;
    const { server } = this.#connection;
    const secure = server.protocol === 'https:';
    const text = body === undefined ? undefined : JSON.stringify(body);
    const url = new URL(server.pathname.replace(/\/$/, '') + path, server);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const client = (secure ? requestHttps : requestHttp)(url, {
      method,
      agent,
      headers: {
        ...headers,
        Accept: 'application/json',
        'User-Agent': 'r-db',
        ...(text === undefined
          ? {}
          : { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) }),
      },
    });
    this.#client = client;
    client.on('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
      // A socket that connects holds the request back until it is connected, TLS included.
      if (!socket.connecting) this.#sent = true;
      else socket.once(secure ? 'secureConnect' : 'connect', () => (this.#sent = true));
    });
    client.on('response', resolve);
    client.on('error', reject);
    client.end(text);
    return promise;
  }

  /** What is to be thrown for what went wrong. */
  failure(error: unknown): KubernetesError {
    if (error instanceof KubernetesError) return error;
    const { method, path } = this.#request;
    const effect = this.#sent ? 'unknown' : 'none';
    const reason = this.#stopped ?? (this.#sent ? 'Broken' : 'Unreachable');
    const detail = this.#stopped === undefined ? `: ${messageOf(error)}` : '';
    return new KubernetesError(`${method} ${path}: ${EXPLAIN[reason]}${detail}`, {
      effect,
      reason,
      cause: error,
    });
  }

  end(): void {
    this.#cancelTimer();
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
  }

  #stop(reason: 'Timeout' | 'Aborted'): void {
    this.#stopped ??= reason;
    this.#client?.destroy(new Error(reason));
  }
}

const EXPLAIN = {
  Timeout: 'no answer in time',
  Aborted: 'called off',
  Broken: 'the connection broke',
  Unreachable: 'no connection to the API server',
} as const;

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > RESPONSE_BYTES_MAX) throw new Error(`more than ${RESPONSE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(request: HttpRequest, response: IncomingMessage, text: string): unknown {
  const status = response.statusCode ?? 0;
  const what = `${request.method} ${request.path}`;
  if (isSuccess(response)) {
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      const failure = { effect: 'unknown', status, reason: 'Broken', cause } as const;
      throw new KubernetesError(`${what}: answered ${status} with no JSON`, failure);
    }
  }
  const { reason, message } = statusOf(text);
  throw new KubernetesError(`${what}: answered ${status} ${reason}: ${message}`, {
    effect: status >= 500 || status === 408 ? 'unknown' : 'none',
    status,
    reason,
    retryAfterMs: retryAfterMs(response.headers['retry-after']),
  });
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** Reason and message of a Status object; proxies answer with other texts. */
function statusOf(text: string): { readonly reason: string; readonly message: string } {
  try {
    const { reason, message } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof reason === 'string') return { reason, message: String(message ?? '') };
  } catch {
    // Not JSON: told as it is.
  }
  return { reason: 'Unknown', message: text.slice(0, 200) };
}

function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header);
  if (header === undefined || !(seconds >= 0)) return undefined;
  return Math.min(seconds * 1000, RETRY_AFTER_MS_MAX);
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
