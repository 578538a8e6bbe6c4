/** Reads and writes that go on while something happens, and remember every one that failed. */
import { Cluster } from 'ioredis';

export interface TrafficReport {
  readonly operations: number;
  readonly errors: readonly string[];
  /** Longest time without a success, in milliseconds. */
  readonly longestGapMs: number;
  /** Keys that held another value than the last one acknowledged. */
  readonly wrong: readonly string[];
}

const errorsMax = 100;

/** One writer and reader for each key, one operation at a time each. */
export class Traffic {
  readonly #cluster: Cluster;
  readonly #errors: string[] = [];
  readonly #wrong: string[] = [];
  readonly #workers: Promise<void>[];
  #operations = 0;
  #lastSuccessMs = performance.now();
  #longestGapMs = 0;
  #running = true;

  constructor(hosts: readonly string[], { keys }: { readonly keys: number }) {
    this.#cluster = new Cluster(
      hosts.map((host) => ({ host, port: 6379 })),
      { redisOptions: { commandTimeout: 5000 }, slotsRefreshTimeout: 5000 },
    );
    // Told of every node that goes; the operations tell what matters.
    this.#cluster.on('error', () => {});
    this.#workers = Array.from({ length: keys }, (_, index) => this.#work(`traffic:${index}`));
  }

  /** Operations that succeeded so far. */
  get operations(): number {
    return this.#operations;
  }

  async stop(): Promise<TrafficReport> {
    this.#running = false;
    await Promise.all(this.#workers);
    this.#cluster.disconnect();
    return {
      operations: this.#operations,
      errors: this.#errors,
      longestGapMs: Math.max(this.#longestGapMs, performance.now() - this.#lastSuccessMs),
      wrong: this.#wrong,
    };
  }

  async #work(key: string): Promise<void> {
    for (let turn = 0; this.#running; turn++) {
      try {
        await this.#cluster.set(key, `${turn}`);
        const read = await this.#cluster.get(key);
        if (read !== `${turn}`) this.#wrong.push(`${key}: ${read} instead of ${turn}`);
        this.#succeeded();
      } catch (error) {
        if (this.#errors.length < errorsMax) this.#errors.push((error as Error).message);
      }
      await new Promise((resolve) => setTimeout(resolve, 5)); // the machine has other work too
    }
  }

  #succeeded(): void {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastSuccessMs);
    this.#lastSuccessMs = nowMs;
    this.#operations += 2;
  }
}
