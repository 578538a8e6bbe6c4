/** `/metrics`, `/healthz`, `/readyz`. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpOptions {
  readonly port: number;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Why it is not so, or undefined if it is. */
  unready(): string | undefined;
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

/** Rejects if the port is taken. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    void answer(options, request.method, request.url ?? '/', response);
  });
  await listen(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(
  { metrics, unready }: HttpOptions,
  method: string | undefined,
  url: string,
  response: ServerResponse,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return say(response, 405, 'GET only\n');
  const path = url.split('?')[0];
  // Alive is whoever answers: an API server that is away must not restart the operator.
  if (path === '/healthz') return say(response, 200, 'ok\n');
  if (path === '/readyz') {
    const reason = unready();
    return reason === undefined ? say(response, 200, 'ok\n') : say(response, 503, `${reason}\n`);
  }
  if (path !== '/metrics') return say(response, 404, 'there are /metrics, /healthz, /readyz\n');
  try {
    const { contentType, body } = await metrics();
    say(response, 200, body, contentType);
  } catch (error) {
    say(response, 500, `${error instanceof Error ? error.message : error}\n`);
  }
}

function say(response: ServerResponse, code: number, body: string, type = 'text/plain'): void {
  response.writeHead(code, { 'Content-Type': type });
  response.end(body);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
