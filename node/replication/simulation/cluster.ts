/** A whole cluster: processes, network, API server, operator, and who watches what must hold. */

import {
  type Generation,
  generation,
  type Incarnation,
  incarnation,
  nodeOf,
} from '../core/identity.ts';
import type { SessionBounds } from '../core/sessions.ts';
import { ShardChecker } from './checkers.ts';
import { Connections } from './connections.ts';
import { SimulatedNetwork } from './network.ts';
import { Process } from './process.ts';
import { SimulatedStore } from './store.ts';
import { Violation, type World } from './world.ts';

export interface ClusterOptions {
  readonly nodes: number;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly minInSync: number;
  readonly promiseMs: number;
  readonly logBytesMax: number;
  readonly datagrams: boolean;
  /** How far clocks' rates lie apart at most; `extremeRates`: each is one or the other. */
  readonly ratesApart: number;
  readonly extremeRates: boolean;
  readonly sessionBounds: SessionBounds;
  /** Cores are made when a Lease names the node: for large clusters. */
  readonly lazy?: boolean;
  /** How often watches list everything again. */
  readonly relistMs?: number;
}

/** Longest time until a node hears of settings. */
const settingsMs = 500;

export class Cluster {
  readonly world: World;
  readonly options: ClusterOptions;
  readonly store: SimulatedStore;
  readonly network: SimulatedNetwork;
  readonly connections: Connections;
  readonly names: readonly string[];
  /** What may change while the cluster runs. */
  readonly settings: { minInSync: number; replicationFactor: number; promiseMs: number };
  readonly #checkers: ShardChecker[] = [];
  readonly #processes = new Map<string, Process>();
  /** Every earlier process of a node is certainly gone: its pod was started again. */
  readonly #gone = new Map<string, Incarnation[]>();
  readonly #minInSyncBefore: { readonly minInSync: number; readonly sinceMs: number }[];
  #starts = 0;
  failure: Violation | undefined;
  /** Shards that lost their whole in-sync set. */
  lost = 0;

  constructor(world: World, options: ClusterOptions) {
    this.world = world;
    this.options = options;
    const { minInSync, replicationFactor, promiseMs, datagrams } = options;
    this.settings = { minInSync, replicationFactor, promiseMs };
    this.#minInSyncBefore = [{ minInSync, sinceMs: 0 }];
    this.names = Array.from({ length: options.nodes }, (_, ordinal) => `demo-${ordinal}`);
    this.network = new SimulatedNetwork(world);
    this.store = new SimulatedStore(world, this.network);
    this.connections = new Connections({
      world,
      network: this.network,
      datagrams,
      newest: (node) => this.#processes.get(node),
    });
    for (let shard = 0; shard < options.shards; shard++) {
      this.store.create(shard, { assignment: this.assignmentOf(shard) });
      this.#checkers.push(new ShardChecker(shard, generation(1), 0));
    }
  }

  checker(shard: number): ShardChecker {
    return this.#checkers[shard] as ShardChecker;
  }

  get checkers(): readonly ShardChecker[] {
    return this.#checkers;
  }

  get processes(): readonly Process[] {
    return [...this.#processes.values()].filter(({ alive }) => alive);
  }

  process(node: string): Process | undefined {
    const process = this.#processes.get(node);
    return process?.alive ? process : undefined;
  }

  /** Whoever leads a shard, by the Lease. */
  leaderOf(shard: number): Process | undefined {
    const leader = this.store.lease(shard)?.leader;
    const process = leader === undefined ? undefined : this.process(nodeOf(leader));
    return process?.self === leader ? process : undefined;
  }

  assignmentOf(shard: number): string[] {
    const { replicationFactor } = this.settings;
    return Array.from(
      { length: replicationFactor },
      (_, index) => this.names[(shard + index) % this.names.length] as string,
    );
  }

  /** Nodes hear of settings within half a second; until then both old and new ones may hold. */
  settle(settings: { readonly minInSync: number; readonly promiseMs: number }): void {
    const { clock, random, note } = this.world;
    note(() => `settings: ${JSON.stringify(settings)}`);
    Object.assign(this.settings, settings);
    this.#minInSyncBefore.push({ minInSync: settings.minInSync, sinceMs: clock.nowMs });
    for (const process of this.processes) {
      clock.after(random() * settingsMs, () => process.run(() => process.settle(this.settings)));
    }
  }

  /** The fewest copies with which a leader may acknowledge at this moment: it may have been paused for long. */
  get fewestCopies(): number {
    const longAgoMs = this.world.clock.nowMs - 10_000;
    const held = this.#minInSyncBefore;
    const from = held.findLastIndex(({ sinceMs }) => sinceMs <= longAgoMs);
    return Math.min(...held.slice(Math.max(from, 0)).map(({ minInSync }) => minInSync));
  }

  /** A failure inside a callback ends the run, not the callback's caller. */
  guarded(what: () => void): void {
    if (this.failure !== undefined) return;
    try {
      what();
    } catch (error) {
      const known = error instanceof Violation;
      const violation = known ? error : new Violation('invariant', String(error));
      violation.cause = error;
      this.failure = violation;
    }
  }

  start(node: string): Process {
    const before = this.#gone.get(node) ?? [];
    const reused = this.world.broken === 'names-not-incarnations' ? before[0] : undefined;
    const self = reused ?? incarnation(`${node}/${++this.#starts}`);
    const process = new Process(this, self, new Set(reused === undefined ? before : []));
    this.#processes.set(node, process);
    this.#gone.set(node, [...before, self]);
    this.world.note(() => `${self} starts`);
    for (const other of this.names) if (other !== node) this.connections.connect(node, other);
    return process;
  }

  /** A crash of the process (its peers are refused), or of its machine (they hear nothing). */
  kill(process: Process, refuses = this.world.random() < 0.5): void {
    this.world.note(() => `${process.self} dies`);
    process.kill(refuses);
    this.loseSets();
    this.connections.ended(process);
  }

  /**
   * A process that was asked to end will do so now, by itself. It must not take the only copy with it where another node is
   * to have one: that one lives, does not end itself, and all of this is known to it.
   */
  checkEnding(process: Process): void {
    const { self } = process;
    for (const { shard } of this.#checkers) {
      const { inSync = [] } = this.store.lease(shard) ?? {};
      const { lastKnown: known, lost } = process.replica(shard)?.core.known ?? {};
      // It takes a Lease that is missing for a while for the end of its cluster.
      if (lost !== undefined) continue;
      if (!inSync.includes(self) || known?.inSync.includes(self) !== true) continue;
      if (inSync.some((one) => one !== self && this.lives(one))) continue;
      const heir = known.assignment
        .map((node) => this.process(node))
        .find((one) => one !== undefined && !one.stopping && process.knows(one.self));
      if (heir === undefined) continue;
      throw new Violation('durability', `${self} ends with the only copy, and ${heir.self} lives`);
    }
  }

  /** Whether this process may die without a shard losing its whole in-sync set. */
  isSpared(process: Process): boolean {
    return this.checkers.every(({ shard }) => {
      const { inSync = [] } = this.store.lease(shard) ?? {};
      return inSync.some((member) => member !== process.self && this.lives(member));
    });
  }

  lives(member: Incarnation): boolean {
    return this.process(nodeOf(member))?.self === member;
  }

  /** Of what a whole set held, nothing is promised: the shard's checker starts anew with its next generation. */
  loseSets(): void {
    for (const checker of this.checkers) {
      if (checker.lost) continue;
      const { inSync = [] } = this.store.lastLease(checker.shard) ?? {};
      if (inSync.length === 0 || inSync.some((member) => this.lives(member))) continue;
      checker.lost = true;
      this.lost++;
    }
  }

  /** The next generation of a shard that was lost begins. */
  reborn(shard: number, of: Generation): void {
    this.#checkers[shard] = new ShardChecker(shard, of, this.world.clock.nowMs);
  }
}
