/**
 * Several listening sockets on one port. Node.js takes one connection of a listening socket in each turn of the event loop.
 * Turns are long where a thread gets little processor time, as on a node that has just started: of those who come
 * together, as all clients of a node that died do, the last would wait for as many turns as there are clients. The
 * kernel spreads connections over the sockets that share a port, and a turn takes one of each.
 */
import { once } from 'node:events';
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { serverLimits } from './limits.ts';
import { type ListenOptions, listen } from './listen.ts';

export interface ListenersOptions extends Omit<ListenOptions, 'reusePort'> {
  /** Other threads listen on the port as well. */
  readonly shared: boolean;
  readonly sockets: ServerOpts;
  readonly onConnection: (socket: Socket) => void;
}

export class Listeners {
  readonly #servers: readonly Server[];

  private constructor(servers: readonly Server[]) {
    this.#servers = servers;
  }

  /** Rejects with the error of the operating system (EADDRINUSE, EACCES); then nothing is open. */
  static async open(options: ListenersOptions): Promise<Listeners> {
    const { host, sockets, onConnection } = options;
    const servers: Server[] = [];
    const add = async (port: number, reusePort: boolean): Promise<void> => {
      const server = createServer(sockets, onConnection);
      await listen(server, { host, port, reusePort });
      servers.push(server);
    };
    try {
      await add(options.port, true);
      while (servers.length < serverLimits.listenersOfThread) await add(portOf(servers[0]), true);
    } catch (error) {
      for (const server of servers) server.close();
      // Not every operating system lets sockets share a port; one thread can do without.
      if (options.shared || (error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error;
      servers.length = 0;
      await add(options.port, false);
    }
    return new Listeners(servers);
  }

  get port(): number {
    return portOf(this.#servers[0]);
  }

  get listening(): boolean {
    return this.#servers.some(({ listening }) => listening);
  }

  /** Takes no more connections; resolves when those that were taken are gone. */
  async close(): Promise<void> {
    const closed = this.#servers
      .filter(({ listening }) => listening)
      .map((server) => {
        const over = once(server, 'close');
        server.close();
        return over;
      });
    await Promise.all(closed);
  }
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
