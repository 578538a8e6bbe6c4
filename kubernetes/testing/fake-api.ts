/**
 * A small Kubernetes API server in this process, over HTTP: enough of it that a client can't tell
 * the difference in what we use, with faults to order. For tests of this package, of the Leases and
 * of the operator.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { RESOURCES, type Resource } from '../resources.ts';
import { FakeObjects, FakeStatus, type Json, jsonOf } from './fake-objects.ts';
import { FakeWatch } from './fake-watch.ts';
import { matcherOf } from './selectors.ts';

export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** One request, as faults are chosen by it and tests look at it afterwards. */
export interface FakeRequest {
  readonly verb: FakeVerb;
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: Json;
}

/** What goes wrong with a request; all may be combined. */
export interface FakeFault {
  /** Answered with this code; nothing takes effect unless `applied`. */
  readonly code?: number;
  readonly applied?: boolean;
  readonly retryAfterSeconds?: number;
  /** Taken up only when this resolves. */
  readonly hold?: Promise<unknown>;
  /** Takes effect, but is answered only when this resolves. */
  readonly holdReply?: Promise<unknown>;
  /** The connection is cut before or after the effect, without an answer. */
  readonly cut?: 'before' | 'after';
  /** Answered 200 with half of a JSON text. */
  readonly garbage?: boolean;
  /** Lists: the state of so many changes ago. */
  readonly staleChanges?: number;
}

export interface FakeApiOptions {
  /** Resources besides `RESOURCES`. */
  readonly resources?: readonly Resource[];
  readonly fault?: (request: FakeRequest) => FakeFault | undefined;
}

export class FakeApi implements AsyncDisposable {
  readonly objects = new FakeObjects();
  /** Every request so far, watches included. */
  readonly requests: FakeRequest[] = [];
  /** Connections made since the start. */
  connections = 0;
  readonly #resources: readonly Resource[];
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<FakeWatch>();
  #fault: (request: FakeRequest) => FakeFault | undefined;
  #server: Server;
  #port = 0;
  #thaw: PromiseWithResolvers<void> | undefined;

  private constructor({ resources = [], fault = () => undefined }: FakeApiOptions) {
    this.#resources = [...Object.values(RESOURCES), ...resources];
    this.#fault = fault;
    this.#server = this.#makeServer();
    this.objects.onChange((change) => {
      for (const watch of this.#watches) watch.changed(change);
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(options: FakeApiOptions = {}): Promise<FakeApi> {
    const api = new FakeApi(options);
    await api.#listen();
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** A kubeconfig (JSON is YAML) that leads here. */
  kubeconfig(namespace = 'default'): string {
    const name = 'fake';
    return JSON.stringify({
      'current-context': name,
      clusters: [{ name, cluster: { server: this.url, 'insecure-skip-tls-verify': true } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace } }],
      users: [{ name, user: { token: 'fake' } }],
    });
  }

  /** Open watches. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Writes among the requests: an idle reconcile has none. */
  get writes(): readonly FakeRequest[] {
    return this.requests.filter(({ verb }) => !['get', 'list', 'watch'].includes(verb));
  }

  setFault(fault: (request: FakeRequest) => FakeFault | undefined): void {
    this.#fault = fault;
  }

  /** Tells every watch that asked for bookmarks that nothing happened up to now. */
  bookmark(): void {
    for (const watch of this.#watches) watch.bookmark(this.objects.version);
  }

  /**
   * Ends all watches: `end` as a server does at its time-out, `cut` as a broken network does,
   * `garbage` with a line that is no JSON.
   */
  breakWatches(how: 'end' | 'cut' | 'garbage' = 'cut'): void {
    const watches = [...this.#watches];
    this.#watches.clear();
    for (const watch of watches) watch.stop(how);
  }

  /** `frozen`: takes connections and answers nothing; `refusing`: nobody listens. */
  async setOutage(outage: 'none' | 'frozen' | 'refusing'): Promise<void> {
    this.#thaw?.resolve();
    this.#thaw = outage === 'frozen' ? Promise.withResolvers<void>() : undefined;
    if (outage === 'refusing') await this.#close();
    else if (!this.#server.listening) await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#thaw?.resolve();
    await this.#close();
  }

  #makeServer(): Server {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => answerError(response, error));
    });
    server.on('connection', (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  async #listen(): Promise<void> {
    const server = this.#makeServer();
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = this.#read(incoming, await bodyOf(incoming));
    this.requests.push(request);
    const fault = this.#fault(request) ?? {};
    await this.#thaw?.promise;
    await fault.hold;
    if (fault.cut === 'before') return void response.destroy();
    if (fault.code !== undefined && fault.applied !== true) return ordered(response, fault);
    if (request.verb === 'watch') return this.#watch(request, response);
    const [code, body] = this.#act(request, fault);
    await fault.holdReply;
    if (fault.cut === 'after') return void response.destroy();
    if (fault.code !== undefined) return ordered(response, fault);
    answer(response, code, body, fault.garbage === true);
  }

  #act(request: FakeRequest, fault: FakeFault): [code: number, body: unknown] {
    const { verb, resource, namespace, name, subresource, query, body } = request;
    if (verb === 'list') return [200, this.#list(request, fault.staleChanges ?? 0)];
    if (verb === 'create') return [201, this.objects.create(resource, namespace, body)];
    const object = this.objects.get(resource, namespace, name ?? '');
    if (object === undefined && verb === 'patch' && query.has('fieldManager')) {
      return [201, this.objects.create(resource, namespace, body)];
    }
    if (object === undefined) {
      throw new FakeStatus(404, 'NotFound', `${resource.plural} "${name}" not found`);
    }
    if (verb === 'update') return [200, this.objects.replace(resource, object, body, subresource)];
    if (verb === 'patch') return [200, this.objects.patch(resource, object, body, subresource)];
    if (verb === 'delete') {
      return [200, this.objects.delete(resource, object, jsonOf(body['preconditions']))];
    }
    return [200, object];
  }

  #list({ resource, namespace, query }: FakeRequest, staleChanges: number): Json {
    const matches = matcherOf(query.get('labelSelector'), query.get('fieldSelector'));
    const items = this.objects.list(resource, namespace, staleChanges).filter(matches);
    const resourceVersion = String(this.objects.version - staleChanges);
    return { kind: `${resource.kind}List`, metadata: { resourceVersion }, items };
  }

  #watch(request: FakeRequest, response: ServerResponse): void {
    const watch = new FakeWatch(request, response);
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    watch.begin(this.objects);
  }

  #read(incoming: IncomingMessage, text: string): FakeRequest {
    const url = new URL(incoming.url ?? '/', this.url);
    const place = this.#placeOf(url.pathname);
    const body = text === '' ? {} : jsonOf(JSON.parse(text));
    const contentType = incoming.headers['content-type'] ?? '';
    const verb = verbOf(incoming.method ?? '', place.name, url.searchParams);
    if (verb === 'patch' && contentType === 'application/json-patch+json') {
      throw new FakeStatus(415, 'UnsupportedMediaType', 'the fake API server takes merge patches');
    }
    return { verb, ...place, query: url.searchParams, contentType, body };
  }

  #placeOf(path: string): Pick<FakeRequest, 'resource' | 'namespace' | 'name' | 'subresource'> {
    const parts = path.split('/').slice(1).map(decodeURIComponent);
    const group = parts[0] === 'apis' ? (parts[1] ?? '') : '';
    let rest = parts.slice(group === '' ? 2 : 3);
    let namespace: string | undefined;
    if (rest[0] === 'namespaces' && rest.length > 2) {
      namespace = rest[1];
      rest = rest.slice(2);
    }
    const [plural, name, subresource] = rest;
    const resource = this.#resources.find(
      (one) => one.group === group && one.plural === plural && (one.namespaced || !namespace),
    );
    if (resource === undefined) {
      throw new FakeStatus(404, 'NotFound', `the server could not find ${path}`);
    }
    return { resource, namespace, name, subresource };
  }
}

function verbOf(method: string, name: string | undefined, query: URLSearchParams): FakeVerb {
  if (method === 'GET' && query.get('watch') === 'true') return 'watch';
  if (method === 'GET') return name === undefined ? 'list' : 'get';
  const verbs = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const;
  const verb = Object.entries(verbs).find(([other]) => other === method)?.[1];
  if (verb === undefined) throw new FakeStatus(405, 'MethodNotAllowed', method);
  return verb;
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  incoming.setEncoding('utf8');
  for await (const chunk of incoming) text += chunk;
  return text;
}

function ordered(response: ServerResponse, { code = 500, retryAfterSeconds }: FakeFault): void {
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', retryAfterSeconds);
  answer(response, code, statusOf(new FakeStatus(code, 'Ordered', `answered ${code}, as ordered`)));
}

function answerError(response: ServerResponse, error: unknown): void {
  const status =
    error instanceof FakeStatus ? error : new FakeStatus(400, 'BadRequest', `${error}`);
  answer(response, status.code, statusOf(status));
}

export function statusOf({ code, reason, message }: FakeStatus): Json {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}

function answer(response: ServerResponse, code: number, body: unknown, garbage = false): void {
  if (response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(garbage ? text.slice(0, text.length / 2) : text);
}
