/** Follows the topology: one stream from any node that answers, another one when it breaks. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { TopologyResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { backoffMs, delay } from './backoff.ts';
import type { Channel } from './channel.ts';
import type { LeaderAddress } from './errors.ts';
import {
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  SEED_TIMEOUT_MS,
  TOPOLOGY_DOUBT_MS,
} from './limits.ts';
import { applyHint, applyTopology, type Topology } from './topology.ts';

export interface FollowerOptions {
  /** Addresses given by the user. */
  readonly seeds: readonly string[];
  readonly channelOf: (address: string) => Channel;
  readonly onChange: (topology: Topology) => void;
}

export class TopologyFollower {
  readonly #options: FollowerOptions;
  readonly #stop = new AbortController();
  /** What the last try of each address said: for the error when none answers. */
  readonly #failures = new Map<string, string>();
  #current: Topology | undefined;
  #stream: ClientReadableStream<TopologyResponse> | undefined;
  #running: Promise<void> | undefined;
  /** When the present stream was opened, or told something last. */
  #heardMs = 0;
  /** Who told last: asked again last. */
  #teller: string | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  get current(): Topology | undefined {
    return this.#current;
  }

  /** One line for each address that failed. */
  get failures(): readonly string[] {
    return [...this.#failures].map(([address, why]) =>
      why.startsWith(address) ? why : `${address}: ${why}`,
    );
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stream?.cancel();
    await this.#running;
  }

  hint(leader: LeaderAddress): void {
    if (this.#current !== undefined) this.#set(applyHint(this.#current, leader));
  }

  /** A call found no leader, or nobody at all: who tells the topology may be gone too, or cut off, and is changed for another. */
  doubt(): void {
    if (performance.now() - this.#heardMs >= TOPOLOGY_DOUBT_MS) this.#stream?.cancel();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let round = 1; !signal.aborted; round++) {
      for (const address of this.#candidates()) {
        if (signal.aborted) return;
        const heard = await this.#follow(address);
        if (heard) {
          round = 0;
          break;
        }
      }
      const range = { minMs: RECONNECT_MS_MIN, maxMs: RECONNECT_MS_MAX };
      await delay(backoffMs(round + 1, range, Math.random), signal);
    }
  }

  /** Seeds first, in a random order so that clients spread over the nodes, then nodes that were heard of; who told last is the last. */
  #candidates(): readonly string[] {
    const known = this.#current?.nodes.map(({ grpc }) => grpc).filter((one) => one !== undefined);
    const shuffled = (list: readonly string[]): string[] =>
      list
        .map((one) => ({ one, key: Math.random() }))
        .sort((a, b) => a.key - b.key)
        .map(({ one }) => one);
    const all = [...new Set([...shuffled(this.#options.seeds), ...shuffled(known ?? [])])];
    return all.sort((a, b) => Number(a === this.#teller) - Number(b === this.#teller));
  }

  /** Until the stream breaks; true if the node told anything. */
  async #follow(address: string): Promise<boolean> {
    let heard = false;
    let silence: NodeJS.Timeout | undefined;
    try {
      const channel = this.#options.channelOf(address);
      await channel.ready(SEED_TIMEOUT_MS);
      if (this.#stop.signal.aborted) return heard;
      const stream = channel.cluster.topology({});
      this.#stream = stream;
      this.#heardMs = performance.now();
      silence = setTimeout(() => stream.cancel(), SEED_TIMEOUT_MS);
      for await (const message of stream as AsyncIterable<TopologyResponse>) {
        clearTimeout(silence);
        const applied = applyTopology(this.#current, message);
        if (applied === undefined) break;
        heard = true;
        this.#heardMs = performance.now();
        this.#teller = address;
        this.#failures.clear();
        this.#set(applied);
      }
      this.#failures.set(address, 'ended the stream of the topology');
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#failures.set(address, heard || silence === undefined ? message : describe(message));
    } finally {
      clearTimeout(silence);
      this.#stream?.cancel();
      this.#stream = undefined;
    }
    return heard;
  }

  #set(topology: Topology): void {
    this.#current = topology;
    this.#options.onChange(topology);
  }
}

function describe(message: string): string {
  if (!message.includes('CANCELLED')) return message;
  return `told no topology within ${SEED_TIMEOUT_MS} ms`;
}
