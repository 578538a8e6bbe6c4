/**
 * Between the replication home and the other data threads: these say into which shards they have written, the home
 * says what became of the batches. Once for each turn of the event loop, as plain numbers.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Outcome } from './batches.ts';
import type { SealedBatch } from './shard-runner.ts';

const outcomes: readonly Outcome[] = ['committed', 'unknown', 'not-taken'];
/** In the place of an outcome: the batch has no number that the home knows. */
const abandonedOutcome = outcomes.length;

/** Ports of one data thread. The home has one to each other thread, by its number; the others have one, to the home. */
export interface ThreadLinks {
  readonly ports: readonly (MessagePort | undefined)[];
}

/** The data thread that runs the cores of all shards and speaks to other nodes. */
export const replicationHome = 0;

/** By thread. */
export function makeThreadLinks(threads: number): ThreadLinks[] {
  const channels = Array.from({ length: threads - 1 }, () => new MessageChannel());
  return [
    { ports: [undefined, ...channels.map(({ port1 }) => port1)] },
    ...channels.map(({ port2 }) => ({ ports: [port2] })),
  ];
}

export const portsOf = ({ ports }: ThreadLinks): MessagePort[] =>
  ports.filter((port) => port !== undefined);

/** The end at the home. */
export class HomeEnd {
  readonly #lines: { readonly thread: bigint; readonly line: Line }[] = [];

  constructor({ ports }: ThreadLinks, onGathered: (shard: number) => void) {
    ports.forEach((port, thread) => {
      if (port === undefined) return;
      port.on('message', (shards: readonly number[]) => shards.forEach(onGathered));
      this.#lines.push({ thread: 1n << BigInt(thread), line: new Line(port) });
    });
  }

  /** Nothing more will be heard of what other threads gathered in this shard. */
  abandoned(shard: number): void {
    for (const { line } of this.#lines) line.say(shard, 0, abandonedOutcome);
  }

  resolved({ shard, batch, writers }: SealedBatch, outcome: Outcome): void {
    for (const { thread, line } of this.#lines) {
      if ((writers & thread) !== 0n) line.say(shard, batch, outcomes.indexOf(outcome));
    }
  }
}

/** The end at any other thread. */
export class AwayEnd {
  readonly #line: Line;
  readonly #said = new Set<number>();

  constructor(
    { ports: [port] }: ThreadLinks,
    heard: {
      readonly onResolved: (shard: number, batch: number, outcome: Outcome) => void;
      readonly onAbandoned: (shard: number) => void;
    },
  ) {
    if (port === undefined) throw new Error('a data thread without a way to the replication home');
    this.#line = new Line(port, () => this.#said.clear());
    port.on('message', (numbers: readonly number[]) => {
      for (let at = 0; at + 2 < numbers.length; at += 3) {
        const [shard = 0, batch = 0, outcome = 0] = numbers.slice(at, at + 3);
        if (outcome === abandonedOutcome) heard.onAbandoned(shard);
        else heard.onResolved(shard, batch, outcomes[outcome] ?? 'unknown');
      }
    });
  }

  gathered(shard: number): void {
    if (this.#said.has(shard)) return;
    this.#said.add(shard);
    this.#line.say(shard);
  }
}

/** Collects numbers and posts them at the end of the turn. */
class Line {
  readonly #port: MessagePort;
  readonly #onPosted: () => void;
  #numbers: number[] = [];

  constructor(port: MessagePort, onPosted: () => void = () => {}) {
    this.#port = port;
    this.#onPosted = onPosted;
  }

  say(...numbers: number[]): void {
    if (this.#numbers.length === 0) setImmediate(() => this.#post());
    this.#numbers.push(...numbers);
  }

  #post(): void {
    this.#port.postMessage(this.#numbers);
    this.#numbers = [];
    this.#onPosted();
  }
}
