/**
 * The API server as the cores of a simulation see it: Leases with versions, compare-and-set, watches. Replies
 * get lost, requests arrive long after their sender gave up, watches tell the past.
 */

import type { Incarnation } from '../core/identity.ts';
import { epoch, generation, revision } from '../core/identity.ts';
import type { Effect, Input } from '../core/io.ts';
import type { LeaseEdit, ShardLease } from '../core/lease.ts';
import type { World } from './world.ts';

type Write = Extract<Effect, { kind: 'write-lease' }>;

export interface StoreFaults {
  /** Requests fail at once, or nothing answers. */
  outage: 'none' | 'refusing' | 'silent';
  latencyMs: number;
  /** Part of replies that are lost. */
  lost: number;
  /** Part of requests that arrive when their sender has given up. */
  late: number;
  /** Longest delay of a watch event. */
  watchMs: number;
}

/** A request that has no answer by then is of unknown fate. */
const deadlineMs = 1_000;

export class SimulatedStore {
  readonly faults: StoreFaults = { outage: 'none', latencyMs: 3, lost: 0, late: 0, watchMs: 20 };
  readonly #world: World;
  readonly #leases: ShardLease[] = [];
  readonly #watchers = new Set<(shard: number, lease: ShardLease) => void>();
  #version = 0;
  requests = 0;

  constructor(world: World, shards: number, assignmentOf: (shard: number) => string[]) {
    this.#world = world;
    for (let shard = 0; shard < shards; shard++) {
      this.#leases.push({
        uid: `u${shard}`,
        version: `v${++this.#version}`,
        revision: revision(1),
        epoch: epoch(0),
        generation: generation(1),
        leader: undefined,
        inSync: [],
        assignment: assignmentOf(shard),
      });
    }
  }

  lease(shard: number): ShardLease {
    return this.#leases[shard] as ShardLease;
  }

  /** Lists at once, then tells each change, late. Returns how to end it. */
  watch(told: (shard: number, lease: ShardLease) => void): () => void {
    this.#watchers.add(told);
    const list = () => {
      if (!this.#watchers.has(told)) return;
      if (this.faults.outage === 'none')
        for (const [i, lease] of this.#leases.entries()) told(i, lease);
      this.#world.clock.after(2_000, list);
    };
    this.#world.clock.after(this.#delay(), list);
    return () => this.#watchers.delete(told);
  }

  read(shard: number, request: number, answer: (input: Input) => void): void {
    const failed: Input = { kind: 'read-failed', request, forbidden: false, message: 'no answer' };
    this.#request(answer, failed, () => ({ kind: 'read', request, lease: this.lease(shard) }));
  }

  write(shard: number, { request, base, edit }: Write, answer: (input: Input) => void): void {
    const unknown: Input = { kind: 'unresolved', request, message: 'no answer' };
    this.#request(answer, unknown, () => {
      const lease = this.lease(shard);
      if (lease.version !== base.version) return { ...unknown, message: 'conflict' };
      return { kind: 'won', request, lease: this.#apply(shard, edit) };
    });
  }

  /** The operator's own write; it knows what it does and always wins. */
  put(shard: number, change: Partial<LeaseEdit> & { assignment?: readonly string[] }): void {
    this.#apply(shard, { ...this.lease(shard), ...change });
  }

  /** Carried out at the server at some moment; answered in time, or with `unknown`. */
  #request(answer: (input: Input) => void, unknown: Input, run: () => Input): void {
    this.requests++;
    const { clock, random } = this.#world;
    const { outage, lost, late } = this.faults;
    let answered = false;
    const once = (input: Input) => {
      if (!answered) answer(input);
      answered = true;
    };
    if (outage === 'refusing') {
      clock.after(this.#delay(), () => once(unknown));
      return;
    }
    clock.after(deadlineMs, () => once(unknown));
    if (outage === 'silent' && random() < 0.5) return;
    const isLate = outage === 'silent' || random() < late;
    clock.after(isLate ? random() * 4 * deadlineMs : this.#delay(), () => {
      const input = run();
      if (random() >= lost) clock.after(this.#delay(), () => once(input));
    });
  }

  #apply(shard: number, edit: Partial<ShardLease> & Omit<LeaseEdit, 'cause'>): ShardLease {
    const before = this.lease(shard);
    const lease: ShardLease = {
      uid: before.uid,
      version: `v${++this.#version}`,
      revision: revision(before.revision + 1),
      epoch: edit.epoch,
      generation: edit.generation,
      leader: edit.leader,
      inSync: edit.inSync as readonly Incarnation[],
      assignment: edit.assignment ?? before.assignment,
    };
    this.#leases[shard] = lease;
    this.#world.note(() => `store ${shard}: ${leaseText(lease)}`);
    for (const told of this.#watchers) {
      const { watchMs } = this.faults;
      this.#world.clock.after(this.#world.random() * watchMs, () => {
        if (this.#watchers.has(told)) told(shard, lease);
      });
    }
    return lease;
  }

  #delay(): number {
    return this.faults.latencyMs * (0.2 + this.#world.random());
  }
}

const leaseText = ({ revision, epoch, generation, leader, inSync }: ShardLease): string =>
  `r${revision} e${epoch} g${generation} leader=${leader ?? '-'} set=${inSync.join(',') || '-'}`;
