/** A database in memory that can have the faults that the harness is there to find. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../operation.ts';
import type { Connect, Read, Seen, Store } from '../store.ts';

export type Bug =
  | 'none'
  /** Some reads tell what was there a while ago. */
  | 'stale reads'
  /** Some acknowledged writes are not there. */
  | 'lost writes'
  /** Some increments happen twice. */
  | 'double increments'
  /** Some reads tell what nobody wrote. */
  | 'values out of thin air'
  /** Some writes that are said to have failed certainly are there. */
  | 'failed writes that happened'
  /** Some compare-and-sets don't compare. */
  | 'blind compare-and-sets';

/** One operation in so many has the fault. */
const faultEvery = 7;

export function fakeConnect(bug: Bug): Connect {
  const database = new Database(bug);
  return () => new FakeStore(database);
}

class Database {
  readonly bug: Bug;
  readonly values = new Map<string, string>();
  readonly older = new Map<string, string>();
  #turns = 0;

  constructor(bug: Bug) {
    this.bug = bug;
  }

  /** Whether this operation is one that goes wrong. */
  fails(bug: Bug): boolean {
    return this.bug === bug && ++this.#turns % faultEvery === 0;
  }

  set(key: string, value: string): void {
    const before = this.values.get(key);
    if (before !== undefined) this.older.set(key, before);
    this.values.set(key, value);
  }
}

class FakeStore implements Store {
  readonly #database: Database;
  #turns = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  async read(key: string): Promise<Read> {
    return await this.#takingTime(() => {
      const { values, older } = this.#database;
      let value = values.get(key);
      if (value === undefined) return { outcome: 'ok', seen: undefined };
      if (this.#database.fails('stale reads')) value = older.get(key) ?? value;
      if (this.#database.fails('values out of thin air')) value = `-${value}`;
      return { outcome: 'ok', seen: { value, token: value } };
    });
  }

  async write(key: string, value: string): Promise<Answer> {
    return await this.#takingTime(() => {
      if (this.#database.fails('lost writes')) return { outcome: 'ok' };
      this.#database.set(key, value);
      if (this.#database.fails('failed writes that happened')) {
        return { outcome: 'failed', error: 'CLUSTERDOWN' };
      }
      // What it is certain of, it need not say: an unknown outcome is always allowed.
      return ++this.#turns % 10 === 0
        ? { outcome: 'unknown', error: 'UNKNOWN' }
        : { outcome: 'ok' };
    });
  }

  async increment(key: string): Promise<Answer> {
    return await this.#takingTime(() => {
      const sum = `${Number(this.#database.values.get(key) ?? 0) + 1}`;
      this.#database.set(key, sum);
      if (this.#database.fails('double increments')) this.#database.set(key, `${Number(sum) + 1}`);
      return { outcome: 'ok', result: sum };
    });
  }

  async compareAndSet(key: string, { token }: Seen, value: string): Promise<Answer> {
    return await this.#takingTime(() => {
      const holds =
        this.#database.values.get(key) === token || this.#database.fails('blind compare-and-sets');
      if (holds) this.#database.set(key, value);
      return { outcome: 'ok', result: holds };
    });
  }

  close(): void {}

  /** Something happens between request and answer, so that operations overlap. */
  async #takingTime<T>(happen: () => T): Promise<T> {
    await sleep(1);
    const happened = happen();
    await sleep(1);
    return happened;
  }
}
