/**
 * What only the operator does to shard Leases: assignments, the next generation of a shard that was certainly
 * lost (rule 15), and a Lease made anew after it was deleted (rule 16).
 *
 * For the latter it asks every node for what it holds. The new set may name only members of the set in the newest
 * Lease that any node knows: a leader that lives goes on, and commits without whoever is not in it. Of these it
 * takes those with the highest position: they hold what a set that nobody alive has seen may have committed.
 * It names no leader, for followers have promises to keep before one of them leads.
 */

import {
  epoch,
  type Generation,
  generation,
  type Incarnation,
  nextEpoch,
  nextGeneration,
} from '../core/identity.ts';
import type { ShardLease } from '../core/lease.ts';
import type { Position } from '../core/position.ts';
import type { Cluster } from './cluster.ts';
import type { Process } from './process.ts';

interface Answer {
  readonly self: Incarnation;
  readonly generation: Generation | undefined;
  readonly epoch: number;
  readonly last: Position;
  readonly lease: ShardLease | undefined;
}

export class Operator {
  readonly #cluster: Cluster;
  /** Of each shard, as it last wrote them. */
  readonly #assignments: (readonly string[])[] = [];
  readonly #asking = new Map<number, Map<string, Answer>>();
  /** As its own watch told it last. */
  readonly #seen = new Map<number, ShardLease>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (const { shard } of cluster.checkers) this.#assignments.push(cluster.assignmentOf(shard));
  }

  assign(shard: number, assignment: readonly string[]): void {
    const { store } = this.#cluster;
    // Never while a shard has no leader: it could take away the last place where its data is.
    if (store.lease(shard)?.leader === undefined) return;
    this.#assignments[shard] = assignment;
    this.#cluster.world.note(() => `operator: shard ${shard} to ${assignment}`);
    store.put(shard, { assignment });
  }

  /** Looks at everything once. */
  reconcile(): void {
    const { store, checkers, world } = this.#cluster;
    if (store.faults.outage !== 'none') return;
    this.#cluster.loseSets();
    for (const { shard } of checkers) {
      const lease = store.lease(shard);
      if (lease === undefined) {
        this.#remake(shard);
        continue;
      }
      this.#asking.delete(shard);
      this.#seen.set(shard, lease);
      const { inSync, assignment } = lease;
      const assigned = this.#assignments[shard] ?? [];
      if (assigned.join() !== assignment.join()) store.put(shard, { assignment: assigned });
      if (inSync.length === 0 || inSync.some((member) => this.#cluster.lives(member))) continue;
      world.note(() => `operator: shard ${shard} is lost`);
      this.#reset(shard, lease);
    }
  }

  #reset(shard: number, lease: ShardLease): void {
    const generation = nextGeneration(lease.generation);
    this.#cluster.reborn(shard, generation);
    this.#cluster.store.put(shard, {
      generation,
      leader: undefined,
      inSync: [],
    });
  }

  #remake(shard: number): void {
    const { names, world } = this.#cluster;
    const answers = this.#asking.get(shard) ?? new Map<string, Answer>();
    this.#asking.set(shard, answers);
    const missing = names.filter((node) => {
      const process = this.#cluster.process(node);
      // A dead one is certainly gone: so is what it held.
      return process !== undefined && answers.get(node)?.self !== process.self;
    });
    const enough = world.broken === 'lease-anew-by-some' ? answers.size > 0 : missing.length === 0;
    if (enough) {
      this.#create(shard, answers);
      return;
    }
    for (const node of missing) {
      const process = this.#cluster.process(node);
      if (process === undefined) continue;
      world.clock.after(world.random() * 20, () =>
        process.run(() => {
          const answer = answerOf(process, shard);
          if (answer !== undefined) answers.set(node, answer);
        }),
      );
    }
  }

  #create(shard: number, answers: ReadonlyMap<string, Answer>): void {
    this.#asking.delete(shard);
    const { store, world, checkers } = this.#cluster;
    const assignment = this.#assignments[shard] ?? [];
    const alive = [...answers.values()].filter(({ self }) => this.#cluster.lives(self));
    const newest = [this.#seen.get(shard), ...alive.map(({ lease }) => lease)]
      .filter((lease) => lease !== undefined)
      .sort((a, b) => b.epoch - a.epoch || b.revision - a.revision)[0];
    if (newest === undefined) return;
    const highest = epoch(Math.max(newest.epoch, ...alive.map((one) => one.epoch)));
    const members = alive.filter(
      (one) =>
        (newest.inSync.includes(one.self) || world.broken === 'lease-anew-outside-set') &&
        one.generation === newest.generation,
    );
    const order = (a: Position, b: Position) => a.epoch - b.epoch || a.sequence - b.sequence;
    const [best] = members.map(({ last }) => last).sort((a, b) => order(b, a));
    const holders = members.filter(({ last }) => best !== undefined && order(last, best) === 0);
    const inSync = holders.map(({ self }) => self);
    world.note(() => `operator: Lease of shard ${shard} anew, set=${inSync}`);
    // Nobody holds anything. Even if the newest known Lease was free: one that was stored later, and that nobody
    // alive has seen, may have had a leader.
    const isLost = inSync.length === 0;
    const ofData = generation(newest.generation + (isLost ? 1 : 0));
    if (isLost) {
      const checker = checkers[shard];
      if (checker !== undefined && !checker.lost) this.#cluster.lost++;
      this.#cluster.reborn(shard, ofData);
    }
    store.create(shard, {
      assignment,
      epoch: newest.epoch === 0 ? epoch(0) : nextEpoch(highest),
      generation: ofData,
      inSync,
    });
  }
}

function answerOf(process: Process, shard: number): Answer | undefined {
  const core = process.replica(shard)?.core;
  if (core === undefined) return undefined;
  const { lost, lastKnown } = core.known;
  // Before it has found the Lease missing it would go on with it.
  if (lastKnown !== undefined && lost === undefined) return undefined;
  const { generation, epoch } = core.holding;
  return { self: process.self, generation, epoch, last: core.positions.last, lease: lastKnown };
}
