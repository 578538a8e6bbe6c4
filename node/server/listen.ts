import { once } from 'node:events';
import type { Server } from 'node:net';
import { serverLimits } from './limits.ts';

export interface ListenOptions {
  /** `::` is every address, IPv4 included, also where the machine has no IPv6. */
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
}

/** Resolves when the port is open; rejects with the error of the operating system. */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  const { port, reusePort } = options;
  const backlog = serverLimits.acceptBacklog;
  try {
    server.listen({ host: options.host, port, reusePort, backlog });
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (options.host !== '::' || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) {
      throw error;
    }
    server.listen({ host: '0.0.0.0', port, reusePort, backlog });
    await once(server, 'listening');
  }
}
