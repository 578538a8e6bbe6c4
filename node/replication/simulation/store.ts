/**
 * The API server as the cores of a simulation see it: Leases with versions, compare-and-set, watches. Replies
 * get lost, requests arrive long after their sender gave up, watches tell the past, objects are deleted.
 */

import type { Epoch, Generation, Incarnation } from '../core/identity.ts';
import { epoch, generation, revision } from '../core/identity.ts';
import type { Effect, Input } from '../core/io.ts';
import type { Cause, ShardLease } from '../core/lease.ts';
import type { SimulatedNetwork } from './network.ts';
import type { World } from './world.ts';

type Write = Extract<Effect, { kind: 'write-lease' }>;
export type LeaseEvent = Extract<Input, { kind: 'observed' | 'deleted' }>;

export interface StoreFaults {
  /** Requests fail at once, or nothing answers; `forbidden`: nodes have no rights any more. */
  outage: 'none' | 'refusing' | 'silent' | 'forbidden';
  latencyMs: number;
  /** Part of replies that are lost. */
  lost: number;
  /** Part of requests that arrive when their sender has given up; `lateOf`: of compare-and-sets of one cause. */
  late: number;
  lateOf: Readonly<Partial<Record<Cause, number>>>;
  /** Part of writes that are turned away, as too many (429). */
  busy: number;
  /** Longest delay of a watch event. */
  watchMs: number;
}

/** What a compare-and-set did, for faults that come at the worst moment. */
export interface Stored {
  readonly shard: number;
  readonly cause: Cause;
  readonly by: string;
  readonly late: boolean;
  readonly before: ShardLease;
  readonly after: ShardLease;
}

/** A request that has no answer by then is of unknown fate. */
const deadlineMs = 1_000;

interface Watcher {
  readonly node: string;
  readonly told: (shard: number, event: LeaseEvent) => void;
  /** UIDs of what it was told of: a list also tells what is gone. */
  readonly known: (string | undefined)[];
}

export class SimulatedStore {
  readonly faults: StoreFaults = {
    outage: 'none',
    latencyMs: 3,
    lost: 0,
    late: 0,
    lateOf: {},
    busy: 0,
    watchMs: 20,
  };
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #leases: (ShardLease | undefined)[] = [];
  readonly #lastLeases: (ShardLease | undefined)[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 0;
  #uids = 0;
  readonly counts = { reads: 0, writes: 0 };
  /** Told when a compare-and-set is stored, and when one has become late. */
  onStored: (stored: Stored) => void = () => {};
  onLate: (shard: number, by: string) => void = () => {};

  constructor(world: World, network: SimulatedNetwork) {
    this.#world = world;
    this.#network = network;
  }

  lease(shard: number): ShardLease | undefined {
    return this.#leases[shard];
  }

  /** The one that is stored, or that was last before it was deleted. */
  lastLease(shard: number): ShardLease | undefined {
    return this.#lastLeases[shard];
  }

  get requests(): number {
    return this.counts.reads + this.counts.writes;
  }

  /** Lists at once and now and then, and tells each change, late. Returns how to end it. */
  watch(node: string, told: Watcher['told'], listMs = 2_000): () => void {
    const watcher: Watcher = { node, told, known: [] };
    this.#watchers.add(watcher);
    const list = () => {
      if (!this.#watchers.has(watcher)) return;
      this.#world.clock.after(listMs, list);
      if (this.faults.outage !== 'none' || this.#isAway(node)) return;
      for (const [shard, lease] of this.#leases.entries()) {
        const uid = watcher.known[shard];
        if (lease !== undefined) this.#tellOne(watcher, shard, { kind: 'observed', lease });
        else if (uid !== undefined) this.#tellOne(watcher, shard, { kind: 'deleted', uid });
      }
    };
    this.#world.clock.after(this.#delay(), list);
    return () => this.#watchers.delete(watcher);
  }

  read(node: string, shard: number, request: number, answer: (input: Input) => void): void {
    this.counts.reads++;
    const failed = {
      kind: 'read-failed',
      request,
      forbidden: false,
      message: 'no answer',
    } as const;
    this.#request({ node, shard, answer, unknown: failed, cause: undefined }, () =>
      this.faults.outage === 'forbidden'
        ? { ...failed, forbidden: true, message: 'may not' }
        : { kind: 'read', request, lease: this.lease(shard) },
    );
  }

  write(node: string, shard: number, write: Write, answer: (input: Input) => void): void {
    this.counts.writes++;
    const { request, base, edit } = write;
    const unknown: Input = { kind: 'unresolved', request, message: 'no answer' };
    this.#request({ node, shard, answer, unknown, cause: edit.cause }, (late) => {
      if (this.faults.outage === 'forbidden') {
        return { kind: 'refused', request, reason: 'Forbidden', message: 'may not' };
      }
      const before = this.lease(shard);
      if (before === undefined) {
        return { kind: 'refused', request, reason: 'NotFound', message: 'there is none' };
      }
      if (before.version !== base.version) return { ...unknown, message: 'conflict' };
      if (this.#world.random() < this.faults.busy) {
        return { kind: 'refused', request, reason: 'TooManyRequests', message: 'later' };
      }
      const after = this.#apply(shard, { ...before, ...edit });
      this.onStored({ shard, cause: edit.cause, by: node, late, before, after });
      return { kind: 'won', request, lease: after };
    });
  }

  /** The operator's own write: it knows what it does and always wins. */
  put(shard: number, change: Partial<ShardLease>): void {
    const before = this.lease(shard);
    if (before !== undefined) this.#apply(shard, { ...before, ...change });
  }

  /** A new object, of another UID than any before. */
  create(
    shard: number,
    first: {
      readonly assignment: readonly string[];
      readonly epoch?: Epoch;
      readonly generation?: Generation;
      readonly leader?: Incarnation | undefined;
      readonly inSync?: readonly Incarnation[];
    },
  ): void {
    this.#apply(shard, {
      uid: `u${++this.#uids}`,
      version: '',
      revision: revision(0),
      epoch: first.epoch ?? epoch(0),
      generation: first.generation ?? generation(1),
      leader: first.leader,
      inSync: first.inSync ?? [],
      assignment: first.assignment,
    });
  }

  /** By hand. */
  delete(shard: number): void {
    const before = this.lease(shard);
    if (before === undefined) return;
    this.#leases[shard] = undefined;
    this.#world.note(() => `store ${shard}: deleted`);
    this.#tell(shard, { kind: 'deleted', uid: before.uid });
  }

  /** Carried out at the server at some moment; answered in time, or with `unknown`. */
  #request(
    asked: {
      readonly node: string;
      readonly shard: number;
      readonly answer: (input: Input) => void;
      readonly unknown: Input;
      /** Of a write. */
      readonly cause: Cause | undefined;
    },
    run: (late: boolean) => Input,
  ): void {
    const { node, shard, answer, unknown, cause } = asked;
    const { clock, random } = this.#world;
    const { outage, lost, lateOf } = this.faults;
    const late = (cause && lateOf[cause]) ?? this.faults.late;
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
    if (this.#network.isCut(node, 'api') || (outage === 'silent' && random() < 0.5)) return;
    const isLate = outage === 'silent' || random() < late;
    if (isLate && cause !== undefined) this.onLate(shard, node);
    clock.after(isLate ? random() * 4 * deadlineMs : this.#delay(), () => {
      const input = run(isLate);
      if (random() < lost) return;
      clock.after(this.#delay(), () => {
        if (!this.#network.isCut('api', node)) once(input);
      });
    });
  }

  #apply(shard: number, wanted: ShardLease): ShardLease {
    const { uid, epoch, generation, leader, inSync, assignment } = wanted;
    const lease: ShardLease = {
      uid,
      version: `v${++this.#version}`,
      revision: revision(wanted.revision + 1),
      epoch,
      generation,
      leader,
      inSync,
      assignment,
    };
    this.#leases[shard] = lease;
    this.#lastLeases[shard] = lease;
    this.#world.note(() => `store ${shard}: ${leaseText(lease)}`);
    this.#tell(shard, { kind: 'observed', lease });
    return lease;
  }

  #tell(shard: number, event: LeaseEvent): void {
    const { random, clock } = this.#world;
    for (const watcher of this.#watchers) {
      // Half of them know at once.
      const mostMs = random() < 0.5 ? Math.min(this.faults.watchMs, 10) : this.faults.watchMs;
      clock.after(random() * mostMs, () => {
        if (this.#watchers.has(watcher) && !this.#isAway(watcher.node)) {
          this.#tellOne(watcher, shard, event);
        }
      });
    }
  }

  #tellOne(watcher: Watcher, shard: number, event: LeaseEvent): void {
    if (event.kind === 'observed') watcher.known[shard] = event.lease.uid;
    else if (watcher.known[shard] === event.uid) watcher.known[shard] = undefined;
    watcher.told(shard, event);
  }

  #isAway(node: string): boolean {
    return this.#network.isCut('api', node);
  }

  #delay(): number {
    return this.faults.latencyMs * (0.2 + this.#world.random());
  }
}

const leaseText = ({ uid, revision, epoch, generation, leader, inSync }: ShardLease): string =>
  `${uid} r${revision} e${epoch} g${generation} leader=${leader ?? '-'} set=${inSync.join(',') || '-'}`;
