/** `@r-db/client` as applications use it, its own retries included. */
import { type Client, connect, RdbError, type Reason } from '@r-db/client/mod.ts';
import { grpcTimeoutMs } from './limits.ts';
import type { Answer } from './operation.ts';
import type { Connect, Read, Seen, Store } from './store.ts';

/** After these a write may have happened; after all others it has not. */
const unknown: ReadonlySet<Reason> = new Set<Reason>([
  'OUTCOME_UNKNOWN',
  'DEADLINE_EXCEEDED',
  'SESSION_ENDED',
  'CLOSED',
  'INTERNAL',
]);

/** One client for all, as in an application. */
export async function grpcConnect(
  addresses: readonly string[],
): Promise<{ connect: Connect; close: () => Promise<void> }> {
  const client = await connect({ addresses, timeoutMs: grpcTimeoutMs });
  return { connect: () => new GrpcStore(client), close: () => client.close() };
}

class GrpcStore implements Store {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async read(key: string): Promise<Read> {
    try {
      const value = await this.#client.get(key);
      if (value === undefined) return { outcome: 'ok', seen: undefined };
      return { outcome: 'ok', seen: { value: value.text, token: value.version } };
    } catch (error) {
      return { outcome: 'failed', error: reasonOf(error) };
    }
  }

  write(key: string, value: string): Promise<Answer> {
    return answer(async () => {
      await this.#client.set(key, value);
      return { outcome: 'ok' };
    });
  }

  increment(key: string): Promise<Answer> {
    return answer(async () => ({
      outcome: 'ok',
      result: `${await this.#client.increment(key)}`,
    }));
  }

  compareAndSet(key: string, { token }: Seen, value: string): Promise<Answer> {
    return answer(async () => {
      try {
        await this.#client.set(key, value, { ifVersion: token });
        return { outcome: 'ok', result: true };
      } catch (error) {
        if (reasonOf(error) !== 'VERSION_MISMATCH') throw error;
        return { outcome: 'ok', result: false };
      }
    });
  }

  /** The client is everybody's. */
  close(): void {}
}

async function answer(write: () => Promise<Answer>): Promise<Answer> {
  try {
    return await write();
  } catch (error) {
    const reason = reasonOf(error);
    return { outcome: unknown.has(reason) ? 'unknown' : 'failed', error: reason };
  }
}

function reasonOf(error: unknown): Reason {
  if (error instanceof RdbError) return error.reason;
  throw error;
}
