/**
 * Clients: write values that nobody wrote before, increment, read, and write down what they saw and when.
 *
 * Some writes carry a request ID and are sent again, to whoever leads, until an answer comes: they must happen once,
 * whatever became of the first tries. Others, as from RESP, are sent once.
 */

import type { RequestId } from '../core/sessions.ts';
import type { ShardChecker } from './checkers.ts';
import type { Cluster } from './cluster.ts';
import type { CounterOperation } from './counters.ts';
import type { Command } from './engine.ts';
import type { RegisterOperation } from './linearizability.ts';
import type { Process } from './process.ts';
import { SessionClient } from './session-client.ts';
import { pick } from './world.ts';
import type { WriteOutcome } from './writer.ts';

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
  /** Part of the clients whose writes carry request IDs. */
  readonly retrying: number;
  /** Part of reads that any replica may serve: their bound of staleness is what it says of itself. */
  readonly anyReplica: number;
  /** Part of writes that increment. */
  readonly increments: number;
  /** Part of answers to writes that get lost; how long a client may wait for one before it asks again. */
  readonly answersLost: number;
  readonly retryMs: number;
}

const counter = 'n';
/** How long a write is tried. */
const patienceMs = 5_000;

export class Clients {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  #values = 0;
  #stopped = false;
  #era = 0;
  done = 0;

  constructor(cluster: Cluster, options: ClientOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#era++;
    const { clients, retrying } = this.#options;
    for (let client = 0; client < clients; client++) {
      const session =
        client < clients * retrying ? new SessionClient(this.#cluster.world) : undefined;
      this.#next(session, this.#era);
    }
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
      if (this.#options.increments > 0) this.read(leader, shard, counter, 0.1);
    }
  }

  #next(session: SessionClient | undefined, era: number): void {
    const { clock, random } = this.#cluster.world;
    clock.after(random() * this.#options.clientPauseMs, () => {
      if (this.#stopped || era !== this.#era) return;
      this.#operate(session, () => this.#next(session, era));
    });
  }

  #operate(session: SessionClient | undefined, then: () => void): void {
    const { random } = this.#cluster.world;
    const { keys, reads, anyReplica, slowReadMs, increments } = this.#options;
    const shard = Math.floor(random() * this.#cluster.options.shards);
    const counting = increments > 0 && random() < increments;
    const key = counting ? counter : `k${Math.floor(random() * keys)}`;
    if (random() < reads) {
      if (random() < anyReplica) {
        const target = pick(this.#cluster.processes, random);
        if (target !== undefined) this.#readAny(target, shard, key);
      } else {
        const target = this.#target(shard);
        const slowMs = random() < 0.2 ? random() * slowReadMs : 0.1;
        if (target !== undefined) this.read(target, shard, key, slowMs);
      }
      then();
    } else {
      const write = this.#write(shard, key, counting);
      if (session === undefined) {
        this.#try(shard, write, undefined, () => {});
        then();
      } else this.#insist(shard, write, session, then);
    }
  }

  /** Whoever thinks that it leads; sometimes anybody. */
  #target(shard: number): Process | undefined {
    const { processes, world } = this.#cluster;
    if (world.random() < this.#options.astray) return pick(processes, world.random);
    const leaders = processes.filter(
      (process) => process.replica(shard)?.serving.role === 'leader',
    );
    return pick(leaders.length === 0 ? processes : leaders, world.random);
  }

  read(target: Process, shard: number, key: string, slowMs: number): void {
    const { clock } = this.#cluster.world;
    const startMs = clock.nowMs;
    const checker = this.#cluster.checker(shard);
    this.#reach(target, () =>
      target.replica(shard)?.read(key, slowMs, (answer) => {
        if (answer !== undefined) this.#sawValue(checker, key, answer.value, startMs);
      }),
    );
  }

  /** Such a read is as one that began when the data was fresh for certain. */
  #readAny(target: Process, shard: number, key: string): void {
    const checker = this.#cluster.checker(shard);
    this.#reach(target, () => {
      const answer = target.replica(shard)?.readStale(key);
      if (answer === undefined) return;
      const { value, asOfMs } = answer;
      // A little earlier: times of two clocks are compared.
      const sinceMs = target.trueMs(asOfMs) - 0.001;
      // Of an earlier generation, before this one began.
      if (sinceMs >= checker.sinceMs) this.#sawValue(checker, key, value, sinceMs);
    });
  }

  #sawValue(checker: ShardChecker, key: string, value: string | undefined, startMs: number): void {
    this.done++;
    const endMs = this.#cluster.world.clock.nowMs;
    if (key !== counter) checker.record(key, { kind: 'read', value, startMs, endMs });
    else checker.count({ kind: 'read', value: Number(value ?? 0), startMs, endMs });
  }

  #write(shard: number, key: string, counting: boolean): PendingWrite {
    const startMs = this.#cluster.world.clock.nowMs;
    const endMs = Number.POSITIVE_INFINITY;
    const common = { operations: new Map(), done: false } as const;
    const write: PendingWrite = counting
      ? {
          ...common,
          command: { kind: 'increment', key },
          operation: { kind: 'increment', value: 0, startMs, endMs },
        }
      : {
          ...common,
          command: { kind: 'set', key, value: `${++this.#values}` },
          operation: { kind: 'write', value: `${this.#values}`, startMs, endMs },
        };
    this.#writeDown(shard, write);
    return write;
  }

  /** Until an answer comes, it may have been done, at any time; in the next generation, too, if it is tried there. */
  #writeDown(shard: number, write: PendingWrite): void {
    const { command, operations } = write;
    const checker = this.#cluster.checker(shard);
    if (operations.has(checker)) return;
    // What was answered in a generation that is lost tells nothing of a try that reaches the next one.
    const operation = { ...write.operation };
    operations.set(checker, operation);
    if (operation.kind === 'increment') checker.count(operation);
    else checker.record(command.key, operation);
  }

  #try(
    shard: number,
    write: PendingWrite,
    request: RequestId | undefined,
    done: (outcome: WriteOutcome) => void,
  ): void {
    const { clock, note, random } = this.#cluster.world;
    const target = this.#target(shard);
    if (target === undefined) {
      done({ kind: 'refused' });
      return;
    }
    const { command } = write;
    this.#writeDown(shard, write);
    const isLost = request !== undefined && random() < this.#options.answersLost;
    this.#reach(target, () => {
      this.#writeDown(shard, write);
      const replica = target.replica(shard);
      replica?.write(command, request, (outcome) => {
        if (isLost) return;
        note(() => `${tryText(command, request)} at ${target.self} ${outcome.kind}`);
        if (outcome.kind === 'done' && !write.done) {
          this.done++;
          write.done = true;
          for (const [checker, operation] of write.operations) {
            if (checker.generation !== replica.generation) continue;
            operation.endMs = clock.nowMs;
            if (operation.kind === 'increment') operation.value = Number(outcome.value);
          }
        }
        done(outcome);
      });
    });
  }

  /** Sends it again and again, each time to whoever may lead. An answer to an earlier try counts as well. */
  #insist(shard: number, write: PendingWrite, session: SessionClient, then: () => void): void {
    const { clock, random } = this.#cluster.world;
    const request = session.begin(clock.nowMs);
    const giveUpMs = clock.nowMs + patienceMs;
    let left = true;
    const leave = () => {
      if (!left) return;
      left = false;
      session.answered(request.number);
      then();
    };
    const attempt = () => {
      if (!left) return;
      if (clock.nowMs >= giveUpMs || this.#stopped) {
        leave();
        return;
      }
      // Whatever comes of this try, the next one may overtake it.
      let tried = false;
      const again = (afterMs: number) => {
        if (tried) return;
        tried = true;
        clock.after(afterMs, attempt);
      };
      clock.after(100 + random() * this.#options.retryMs, () => again(0));
      this.#try(shard, write, session.again(request), (outcome) => {
        if (outcome.kind === 'ended') session.renew(clock.nowMs);
        if (outcome.kind === 'ended' || write.done) leave();
        else again(10 + random() * 50);
      });
    };
    attempt();
  }

  #reach(target: Process, what: () => void): void {
    const { clock, random } = this.#cluster.world;
    clock.after(random(), () => target.run(what));
  }
}

type PendingRegister = { -readonly [K in keyof RegisterOperation]: RegisterOperation[K] };

type PendingOperation =
  | (PendingRegister & { readonly kind: 'write' })
  | (CounterOperation & { readonly kind: 'increment' });

interface PendingWrite {
  readonly command: Command;
  /** As it is as long as no answer came. */
  readonly operation: PendingOperation;
  /** Of each generation that it may have reached. */
  readonly operations: Map<ShardChecker, PendingOperation>;
  done: boolean;
}

function tryText(command: Command, request: RequestId | undefined): string {
  const number = request === undefined ? '' : ` ${request.number}`;
  return `client${number}: ${command.key}=${command.kind === 'set' ? command.value : '+'}`;
}
