/** A whole cluster: processes, network, API server, and what only the operator may do. */

import { type Incarnation, incarnation, nodeOf } from '../core/identity.ts';
import { ShardChecker } from './checkers.ts';
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
}

export class Cluster {
  readonly world: World;
  readonly options: ClusterOptions;
  readonly store: SimulatedStore;
  readonly network: SimulatedNetwork;
  readonly names: readonly string[];
  readonly #checkers: ShardChecker[] = [];
  readonly #processes = new Map<string, Process>();
  /** Every earlier process of a node is certainly gone: its pod was started again. */
  readonly #gone = new Map<string, Incarnation[]>();
  #starts = 0;
  failure: Error | undefined;

  constructor(world: World, options: ClusterOptions) {
    this.world = world;
    this.options = options;
    this.names = Array.from({ length: options.nodes }, (_, ordinal) => `demo-${ordinal}`);
    this.store = new SimulatedStore(world, options.shards, (shard) => this.assignmentOf(shard));
    this.network = new SimulatedNetwork(world);
    for (let shard = 0; shard < options.shards; shard++) {
      this.#checkers.push(new ShardChecker(shard));
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

  assignmentOf(shard: number): string[] {
    const { replicationFactor } = this.options;
    return Array.from(
      { length: replicationFactor },
      (_, index) => this.names[(shard + index) % this.names.length] as string,
    );
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
    for (const other of this.processes) {
      if (other === process) continue;
      this.#tellPeer(other, self, 'up');
      this.#tellPeer(process, other.self, 'up');
    }
    return process;
  }

  /** A crash; the others may see their connections refused. */
  kill(process: Process): void {
    this.world.note(() => `${process.self} dies`);
    process.kill();
    this.#loseSets();
    if (this.world.random() < 0.5) return;
    for (const other of this.processes) this.#tellPeer(other, process.self, 'refused');
  }

  send(from: Process, to: Incarnation, deliver: (to: Process) => void): void {
    this.network.send(from.node, nodeOf(to), () => {
      const process = this.#processes.get(nodeOf(to));
      if (process?.self === to) process.run(() => deliver(process));
    });
  }

  /** Whether this process may die without a shard losing its whole in-sync set. */
  isSpared(process: Process): boolean {
    return this.checkers.every(({ shard }) =>
      this.store
        .lease(shard)
        .inSync.some((member) => member !== process.self && this.#lives(member)),
    );
  }

  /** The operator: starts the next generation where a whole set is gone. Told before, for the checkers. */
  operate(): void {
    this.#loseSets();
    for (const { shard } of this.checkers) {
      const { generation, inSync, epoch } = this.store.lease(shard);
      if (inSync.length === 0 || inSync.some((member) => this.#lives(member))) continue;
      const next = (generation + 1) as typeof generation;
      this.store.put(shard, { epoch, generation: next, leader: undefined, inSync: [] });
    }
  }

  #loseSets(): void {
    for (const checker of this.checkers) {
      const { inSync } = this.store.lease(checker.shard);
      if (inSync.length > 0 && !inSync.some((member) => this.#lives(member))) checker.lost = true;
    }
  }

  #lives(member: Incarnation): boolean {
    return this.process(nodeOf(member))?.self === member;
  }

  #tellPeer(to: Process, about: Incarnation, state: 'up' | 'refused'): void {
    this.world.clock.after(1 + this.world.random() * 30, () =>
      to.run(() => {
        // The newest is what a shell tells of.
        const newest = this.#processes.get(nodeOf(about));
        if (newest?.self !== about || (state === 'up') !== newest.alive) return;
        to.peer(about, state);
      }),
    );
  }
}
