/** Clients: write values that nobody wrote before, read, and write down what they saw and when. */

import type { Cluster } from './cluster.ts';
import type { Process } from './process.ts';
import { pick } from './world.ts';

export interface ClientOptions {
  readonly clients: number;
  readonly keys: number;
  /** Longest pause between two operations of a client. */
  readonly clientPauseMs: number;
  /** Part of operations that go to any node, led there or not. */
  readonly astray: number;
  readonly reads: number;
  /** Longest time between a read's value and its reply, in some of the reads. */
  readonly slowReadMs: number;
}

export class Clients {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  #values = 0;
  #stopped = false;
  done = 0;

  constructor(cluster: Cluster, options: ClientOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    for (let client = 0; client < this.#options.clients; client++) this.#next();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Reads everything at the leaders, once. */
  readAll(): void {
    const { checkers } = this.#cluster;
    for (const { shard } of checkers) {
      const leader = this.#cluster.leaderOf(shard);
      if (leader === undefined) continue;
      for (let key = 0; key < this.#options.keys; key++) this.read(leader, shard, `k${key}`, 0.1);
    }
  }

  #next(): void {
    const { clock, random } = this.#cluster.world;
    clock.after(random() * this.#options.clientPauseMs, () => {
      if (this.#stopped) return;
      this.#operate();
      this.#next();
    });
  }

  #operate(): void {
    const { random } = this.#cluster.world;
    const { keys, reads, astray, slowReadMs } = this.#options;
    const shard = Math.floor(random() * this.#cluster.options.shards);
    const key = `k${Math.floor(random() * keys)}`;
    const leaders = this.#cluster.processes.filter(
      (process) => process.replica(shard)?.serving.role === 'leader',
    );
    const targets = random() < astray || leaders.length === 0 ? this.#cluster.processes : leaders;
    const target = pick(targets, random);
    if (target === undefined) return;
    if (random() < reads)
      this.read(target, shard, key, random() < 0.2 ? random() * slowReadMs : 0.1);
    else this.write(target, shard, key);
  }

  read(target: Process, shard: number, key: string, slowMs: number): void {
    const { clock } = this.#cluster.world;
    const startMs = clock.nowMs;
    const checker = this.#cluster.checker(shard);
    this.#reach(target, () =>
      target.replica(shard)?.read(key, slowMs, (answer) => {
        if (answer === undefined) return;
        this.done++;
        const { value } = answer;
        const endMs = clock.nowMs;
        checker.record(key, { kind: 'read', value, startMs, endMs });
      }),
    );
  }

  write(target: Process, shard: number, key: string): void {
    const { clock, note } = this.#cluster.world;
    const startMs = clock.nowMs;
    const value = `${++this.#values}`;
    // Until an answer comes, it may have been done, at any time.
    const operation = { kind: 'write' as const, value, startMs, endMs: Number.POSITIVE_INFINITY };
    this.#cluster.checker(shard).record(key, operation);
    this.#reach(target, () =>
      target.replica(shard)?.write({ kind: 'set', key, value }, (outcome) => {
        note(() => `client: ${key}=${value} at ${target.self} ${outcome.kind}`);
        if (outcome.kind !== 'done') return;
        this.done++;
        operation.endMs = clock.nowMs;
      }),
    );
  }

  #reach(target: Process, what: () => void): void {
    const { clock, random } = this.#cluster.world;
    clock.after(random(), () => target.run(what));
  }
}
