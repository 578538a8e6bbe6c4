/** A small server that speaks enough of Redis' protocol for the generator, and lies when told to. */
import { spawnSync } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';

export const hasCompiler = spawnSync('cc', ['--version']).status === 0;

export interface Request {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  /** 0 for the first request of this server. */
  readonly index: number;
}

export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  readonly store: Map<string, string>;
}

/** What the fake answers; undefined: the truth. */
export type Lie = (request: Request, store: Map<string, string>) => string | undefined;

export async function startFakeServer(lie: Lie = () => undefined): Promise<FakeServer> {
  const store = new Map<string, string>();
  const sockets = new Set<Socket>();
  let index = 0;
  const server: Server = createServer((socket) => {
    let waiting = '';
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      waiting += chunk.toString('latin1');
      const { requests, rest } = parse(waiting);
      waiting = rest;
      const replies = requests.map((words) => {
        const [name = '', key = '', value = ''] = words;
        const request = { name, key, value, index: index++ };
        return lie(request, store) ?? answer(request, store);
      });
      socket.write(replies.join(''), 'latin1');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    store,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer({ name, key, value }: Request, store: Map<string, string>): string {
  if (name === 'SET') {
    store.set(key, value);
    return '+OK\r\n';
  }
  const found = store.get(key);
  return found === undefined ? '$-1\r\n' : `$${found.length}\r\n${found}\r\n`;
}

/** Splits what came into whole requests (arrays of bulk strings) and the rest. */
function parse(text: string): { requests: string[][]; rest: string } {
  const requests: string[][] = [];
  let at = 0;
  for (;;) {
    const words: string[] = [];
    const head = /^\*(\d+)\r\n/.exec(text.slice(at, at + 16));
    if (head === null) break;
    let next = at + head[0].length;
    while (words.length < Number(head[1])) {
      const length = /^\$(\d+)\r\n/.exec(text.slice(next, next + 16));
      if (length === null) break;
      const begin = next + length[0].length;
      next = begin + Number(length[1]) + 2;
      if (next > text.length) break;
      words.push(text.slice(begin, next - 2));
    }
    if (words.length < Number(head[1]) || next > text.length) break;
    requests.push(words);
    at = next;
  }
  return { requests, rest: text.slice(at) };
}
