/** The metrics port: /metrics, /healthz, /readyz, and /replicas for the operator. Nothing here looks at the API server, peers or roles. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Exposition } from './exposition.ts';
import { serverLimits } from './limits.ts';
import { listen } from './listen.ts';

export interface HttpSources {
  metrics(accept: string): Promise<Exposition>;
  /** What is wrong with the process, or undefined: it is well. */
  sickness(): string | undefined;
  /** Why the node is not ready, or undefined: it is. */
  unreadiness(): string | undefined;
  /** What the node holds of each shard (proto/replicas.ts); undefined: it can't tell. */
  replicas(): Promise<string | undefined>;
}

/** Rejects with the error of `listen`. */
export async function startHttp(
  sources: HttpSources,
  address: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(sources, request, response);
  });
  server.maxConnections = serverLimits.httpConnectionsMax;
  server.requestTimeout = serverLimits.httpTimeoutMs;
  server.headersTimeout = serverLimits.httpTimeoutMs;
  await listen(server, { ...address, reusePort: false });
  return server;
}

async function answer(
  sources: HttpSources,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, 405, `${request.method} is not allowed, use GET\n`);
  }
  switch (path) {
    case '/healthz':
      return verdict(response, sources.sickness());
    case '/readyz':
      return verdict(response, sources.unreadiness());
    case '/metrics':
      try {
        const { body, contentType } = await sources.metrics(request.headers.accept ?? '');
        return send(response, 200, body, contentType);
      } catch (error) {
        return send(response, 500, `${(error as Error).message}\n`);
      }
    case '/replicas': {
      const body = await sources.replicas();
      if (body === undefined) return send(response, 503, 'the replication home does not answer\n');
      return send(response, 200, body, 'application/json');
    }
    default:
      return send(response, 404, 'There are /metrics, /healthz, /readyz and /replicas\n');
  }
}

function verdict(response: ServerResponse, problem: string | undefined): void {
  send(
    response,
    problem === undefined ? 200 : 503,
    problem === undefined ? 'ok\n' : `${problem}\n`,
  );
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
