/** Which ports the nodes of a local cluster listen on. */

import { createServer } from 'node:net';
import { LocalClusterError } from './errors.ts';

export const LOCALHOST = '127.0.0.1';
export const DEFAULT_PORT = 6379;

export interface NodePorts {
  readonly resp: number;
  readonly grpc: number;
  readonly peer: number;
  readonly metrics: number;
}

/** Distances from a node's RESP port, so that the first node has 6379, 7379, 8379, 9121. */
const offsets = { grpc: 1_000, peer: 2_000, metrics: 2_742 } as const;
const PORT_MAX = 65_535;

/** Throws LocalClusterError if the numbers don't fit or overlap. */
export function planPorts(base: number, nodes: number): NodePorts[] {
  if (base < 1 || base + offsets.metrics + nodes - 1 > PORT_MAX) {
    const most = PORT_MAX - offsets.metrics - nodes + 1;
    throw new LocalClusterError(`--port ${base}: it must be from 1 to ${most}`);
  }
  return Array.from({ length: nodes }, (_, ordinal) => ({
    resp: base + ordinal,
    grpc: base + offsets.grpc + ordinal,
    peer: base + offsets.peer + ordinal,
    metrics: base + offsets.metrics + ordinal,
  }));
}

/** Throws LocalClusterError naming every port that is in use. */
export async function checkPorts(ports: readonly NodePorts[]): Promise<void> {
  const taken: string[] = [];
  for (const [ordinal, node] of ports.entries()) {
    for (const [use, port] of Object.entries(node)) {
      try {
        await listen(port);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        taken.push(`${port} (${use} of node ${ordinal}: ${code ?? String(error)})`);
      }
    }
  }
  if (taken.length > 0) {
    throw new LocalClusterError(
      `ports of ${LOCALHOST} are not free: ${taken.join(', ')}. Choose others with --port`,
    );
  }
}

/** Whether nobody listens there. */
export async function canListen(port: number): Promise<boolean> {
  return await listen(port).then(
    () => true,
    () => false,
  );
}

/** Opens a port and closes it. */
async function listen(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: LOCALHOST, exclusive: true }, resolve);
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
