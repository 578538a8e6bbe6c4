/** A small server that speaks enough of etcd's gRPC for the generator, and lies when told to. */
import { createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2';

export interface EtcdRequest {
  readonly path: string;
  readonly key: string;
  readonly value: string;
  /** 0 for the first request of this server. */
  readonly index: number;
}

/** The value to answer; `fail`: a failed call; `drop`: the call is ended; `hang`: no answer; undefined: the truth. */
export type EtcdLie = (
  request: EtcdRequest,
) => { readonly value: string } | 'fail' | 'drop' | 'hang' | undefined;

export interface FakeEtcd extends AsyncDisposable {
  readonly port: number;
  readonly store: Map<string, string>;
}

/** Answers later calls first now and then, as a real one may. */
export async function startFakeEtcd(lie: EtcdLie = () => undefined): Promise<FakeEtcd> {
  const store = new Map<string, string>();
  const sessions = new Set<Http2Session>();
  let index = 0;
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const path = String(headers[':path']);
      const [key = '', value = ''] = strings(Buffer.concat(chunks).subarray(5));
      const request = { path, key, value, index: index++ };
      const told = lie(request);
      if (path.endsWith('/Put') && told === undefined) store.set(key, value);
      if (told === 'hang') return;
      const answer = () => respond(stream, told ?? { value: store.get(key) }, path);
      if (request.index % 3 === 0) setImmediate(answer);
      else answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    store,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function respond(
  stream: ServerHttp2Stream,
  told: { readonly value: string | undefined } | 'fail' | 'drop',
  path: string,
): void {
  if (stream.destroyed) return;
  if (told === 'drop') {
    stream.close(8);
    return;
  }
  const headers = { ':status': 200, 'content-type': 'application/grpc' };
  if (told === 'fail') {
    stream.respond({ ...headers, 'grpc-status': '14' }, { endStream: true });
    return;
  }
  // Header (field 1), as etcd sends it, then what a Range found (field 2).
  const header = field(1, Buffer.from([0x08, 0x96, 0x01, 0x18, 0x02]));
  const found =
    path.endsWith('/Range') && told.value !== undefined
      ? field(2, Buffer.concat([field(1, 'key'), Buffer.from([0x10, 1]), field(5, told.value)]))
      : Buffer.alloc(0);
  const message = Buffer.concat([header, found]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond(headers, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([prefix, message]));
}

function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string);
  if (bytes.length > 127) throw new Error('short fields only');
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** The fields of a message that has only short strings. */
function strings(message: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at + 1 < message.length; ) {
    const length = message[at + 1] ?? 0;
    found.push(message.toString('latin1', at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}
