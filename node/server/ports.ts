/** Whether ports are free, before anything is started: threads share theirs, so they would not notice. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { listen } from './listen.ts';

export interface PortToCheck {
  readonly setting: string;
  readonly port: number;
}

/** A port can't be opened. The message names it and the setting. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/**
 * Opens and closes each port. Returns the address to bind: that given, or `0.0.0.0` for `::` where the machine has
 * no IPv6. Throws PortError.
 */
export async function checkPorts(host: string, ports: readonly PortToCheck[]): Promise<string> {
  let bound = host;
  for (const { setting, port } of ports) {
    const server = createServer();
    try {
      await listen(server, { host, port, reusePort: false });
    } catch (cause) {
      throw new PortError(describe(cause as NodeJS.ErrnoException, { host, setting, port }), {
        cause,
      });
    }
    const address = server.address();
    bound = typeof address === 'object' && address !== null ? address.address : host;
    server.close();
    await once(server, 'close');
  }
  return bound;
}

function describe(
  error: NodeJS.ErrnoException,
  { host, setting, port }: PortToCheck & { readonly host: string },
): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} (${setting}) is in use on ${host}: end what listens there, or set ${setting} to another port`;
    case 'EACCES':
      return `port ${port} (${setting}) may not be opened by this user: set ${setting} to a port above 1023`;
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return `${host} (RDB_BIND_ADDRESS) is not an address of this machine`;
    default:
      return `port ${port} (${setting}) can't be opened on ${host}: ${error.message}`;
  }
}
