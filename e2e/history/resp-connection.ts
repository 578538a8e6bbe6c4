/** One connection that speaks RESP2, a command at a time: only what the recorded clients need. */
import { lookup as find } from 'node:dns/promises';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { nameMs, replyBytesMax } from './limits.ts';

export type Reply =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'integer'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly text: string };

/** The connection ended, or does not come about. */
export class ConnectionLost extends Error {}

export class RespConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  #ended: ConnectionLost | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('closed'));
  }

  /** Rejects with ConnectionLost when it is not there in time. */
  static open(address: string, { timeoutMs }: { timeoutMs: number }): Promise<RespConnection> {
    const colon = address.lastIndexOf(':');
    const port = Number(address.slice(colon + 1));
    const host = address.slice(0, colon);
    const socket = connect({ host, port, noDelay: true, lookup: remembered });
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        socket.destroy();
        clearTimeout(timer);
        reject(new ConnectionLost(why));
      };
      const onError = (error: NodeJS.ErrnoException) => fail(error.code ?? error.message);
      const timer = setTimeout(() => fail('CONNECT_TIMEOUT'), timeoutMs);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(new RespConnection(socket));
      });
    });
  }

  get usable(): boolean {
    return this.#ended === undefined && this.#waiting === undefined;
  }

  /** The reply; rejects with ConnectionLost if the connection ends before it has come. */
  command(words: readonly string[]): Promise<Reply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#waiting !== undefined) throw new Error('one command at a time');
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
    });
  }

  close(): void {
    this.#end('closed by us');
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    if (this.#received.length > replyBytesMax) throw new Error('a reply of more than it can be');
    const parsed = parseReply(this.#received);
    if (parsed === undefined) return;
    this.#received = this.#received.subarray(parsed.bytes);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(parsed.reply);
  }

  #end(why: string): void {
    this.#ended ??= new ConnectionLost(why);
    this.#waiting?.reject(this.#ended);
    this.#waiting = undefined;
  }
}

const addresses = new Map<string, { readonly asked: Promise<string>; readonly untilMs: number }>();

/**
 * Names are asked for once a while, and together: where many connections break at once, the few threads that
 * Node.js has for it would be what is waited for.
 */
const remembered: LookupFunction = (host, { all }, done) => {
  const nowMs = performance.now();
  let known = addresses.get(host);
  if (known === undefined || known.untilMs < nowMs) {
    const asked =
      isIP(host) > 0
        ? Promise.resolve(host)
        : find(host, { family: 4 }).then(({ address }) => address);
    known = { asked, untilMs: nowMs + nameMs };
    addresses.set(host, known);
  }
  known.asked.then(
    (address) => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)),
    (error: NodeJS.ErrnoException) => done(error, all ? [] : ''),
  );
};

/** Undefined until the whole reply is there. Throws Error for what no server of ours says. */
export function parseReply(data: Buffer): { reply: Reply; bytes: number } | undefined {
  const lineEnd = data.indexOf('\r\n');
  if (lineEnd < 0) return undefined;
  const text = data.toString('utf8', 1, lineEnd);
  const bytes = lineEnd + 2;
  switch (data.toString('latin1', 0, 1)) {
    case '+':
      return { reply: { kind: 'text', text }, bytes };
    case ':':
      return { reply: { kind: 'integer', text }, bytes };
    case '-':
      return { reply: { kind: 'error', text }, bytes };
    case '$': {
      const length = Number(text);
      if (length < 0) return { reply: { kind: 'absent' }, bytes };
      if (data.length < bytes + length + 2) return undefined;
      const value = data.toString('utf8', bytes, bytes + length);
      return { reply: { kind: 'text', text: value }, bytes: bytes + length + 2 };
    }
    default:
      throw new Error(`not a reply: ${JSON.stringify(data.toString('latin1', 0, 40))}`);
  }
}
