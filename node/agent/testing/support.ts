/** Parts that the agent's tests share. */

import type { Log } from '../log.ts';
import type { NodeIdentity } from '../types.ts';

export const CLUSTER_ID = '6d1f6c1e-0000-4000-8000-000000000001';

export function identityOf(ordinal: number, start = 1, podUid = `pod-${ordinal}`): NodeIdentity {
  const address = (port: number) => ({ host: '127.0.0.1', port: port + ordinal });
  return {
    cluster: 'demo',
    clusterId: CLUSTER_ID,
    node: `demo-${ordinal}`,
    ordinal,
    podUid,
    incarnation: (ordinal * 256 + start).toString(16).padStart(16, '0'),
    addresses: { resp: address(6379), grpc: address(7379), peer: address(8379) },
    version: '0.1.0',
  };
}

/** Remembers the lines, `level message`, and wakes who waits for one. */
export class TestLog implements Log {
  readonly lines: string[] = [];
  #waiting: { readonly part: string; missing: number; readonly resolve: () => void }[] = [];

  debug = (_: object, message: string): void => this.#add('debug', message);
  info = (_: object, message: string): void => this.#add('info', message);
  warn = (_: object, message: string): void => this.#add('warn', message);
  error = (_: object, message: string): void => this.#add('error', message);

  /** Resolves once so many lines contain `part`. */
  async has(part: string, times = 1): Promise<void> {
    const missing = times - this.lines.filter((line) => line.includes(part)).length;
    if (missing <= 0) return;
    await new Promise<void>((resolve) => this.#waiting.push({ part, missing, resolve }));
  }

  #add(level: string, message: string): void {
    const line = `${level} ${message}`;
    this.lines.push(line);
    this.#waiting = this.#waiting.filter((waiter) => {
      if (line.includes(waiter.part)) waiter.missing--;
      if (waiter.missing > 0) return true;
      waiter.resolve();
      return false;
    });
  }
}
