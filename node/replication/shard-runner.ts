/** Runs one core: hands it what happens, in order, and carries out what it asks for. */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError, messageOf } from '@r-db/leases/errors.ts';
import type { Lease, LeaseEvent, LeaseStore } from '@r-db/leases/store.ts';
import { shardLeaseName } from '@r-db/proto/leases.ts';
import type { Engine } from '../engine/types.ts';
import { ShardCore } from './core/core.ts';
import type { CoreEvent, Effect, Input, TotalLoss } from './core/io.ts';
import type { ShardLease } from './core/lease.ts';
import type { CoreOptions } from './core/state.ts';
import { limits } from './limits.ts';
import type { RequestGate } from './request-gate.ts';
import { type ClusterIdentity, changeOf, readShardLease } from './shard-lease.ts';

export type ShardEngine = Pick<Engine, 'createShard' | 'dropShard' | 'publish'>;

export interface ShardRunnerOptions {
  readonly shard: number;
  readonly identity: ClusterIdentity;
  readonly core: CoreOptions;
  readonly engine: ShardEngine;
  readonly store: LeaseStore;
  readonly gate: RequestGate;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Told after every change of the core, with what it told; not before its effects are under way. */
  readonly onChange: (runner: ShardRunner, events: readonly CoreEvent[]) => void;
}

export class ShardRunner {
  readonly shard: number;
  readonly core: ShardCore;
  readonly #options: ShardRunnerOptions;
  readonly #name: string;
  readonly #whole: ClusterIdentity & { readonly shard: number };
  /** The stored objects behind the core's Leases, for the compare-and-set. */
  readonly #stored = new WeakMap<ShardLease, Lease>();
  readonly #inputs: Input[] = [];
  #stepping = false;
  #cancelWake = (): void => {};
  #wakeAtMs: number | undefined;
  #learnedMs: number | undefined;
  #closed = false;

  constructor(options: ShardRunnerOptions) {
    this.#options = options;
    this.shard = options.shard;
    this.core = new ShardCore(options.core);
    this.#name = shardLeaseName(options.identity.cluster, options.shard);
    this.#whole = { ...options.identity, shard: options.shard };
  }

  /** From the watch on the cluster's shard Leases. */
  observed(event: LeaseEvent): void {
    if (event.kind === 'deleted') this.#input({ kind: 'deleted', uid: event.lease.uid });
    else this.#input(this.#read(event.lease, (lease) => ({ kind: 'observed', lease })));
  }

  setTotalLoss(totalLoss: TotalLoss): void {
    this.#input({ kind: 'policy', totalLoss });
  }

  shutdown(): void {
    this.#input({ kind: 'shutdown' });
  }

  /** Nothing is done any more, whatever is answered. */
  close(): void {
    this.#closed = true;
    this.#cancelWake();
  }

  /** Inputs that come while effects are carried out wait their turn. */
  #input(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    const events: CoreEvent[] = [];
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        if (this.#closed) return;
        const effects = this.core.step(next, this.#options.scheduler.nowMs());
        for (const effect of effects) this.#carryOut(effect, events);
      }
    } finally {
      this.#stepping = false;
    }
    this.#setWake();
    this.#options.onChange(this, events);
  }

  #carryOut(effect: Effect, events: CoreEvent[]): void {
    const { engine } = this.#options;
    switch (effect.kind) {
      case 'publish':
        engine.publish(this.shard, effect.serving);
        break;
      case 'create-data':
        this.#createData();
        break;
      case 'drop-data':
        this.#dropData();
        break;
      case 'read-lease':
        void this.#readLease(effect.request);
        break;
      case 'write-lease':
        void this.#writeLease(effect);
        break;
      case 'tell':
        events.push(effect.event);
        break;
    }
  }

  #createData(): void {
    try {
      this.#options.engine.createShard(this.shard);
    } catch (error) {
      this.#input({ kind: 'data-refused', message: messageOf(error) });
      return;
    }
    this.#input({ kind: 'data-created' });
  }

  /** In slices, so that clients of other shards are served between them. */
  #dropData(): void {
    if (this.#closed) return;
    if (this.#options.engine.dropShard(this.shard, limits.dropRecordsMax)) {
      this.#input({ kind: 'data-dropped' });
    } else {
      this.#options.scheduler.after(0, () => this.#dropData());
    }
  }

  async #readLease(request: number): Promise<void> {
    const { gate, store } = this.#options;
    let input: Input;
    try {
      const lease = await gate.run(() => store.get(this.#name));
      if (lease === undefined) input = { kind: 'read', request, lease: undefined };
      else {
        const reading = this.#read(lease, (readable) => ({
          kind: 'read',
          request,
          lease: readable,
        }));
        // The store did answer, but with nothing to follow: as if it had not.
        if (reading.kind !== 'unreadable') input = reading;
        else input = { kind: 'read-failed', request, forbidden: false, message: reading.message };
      }
    } catch (error) {
      const forbidden = error instanceof LeaseStoreError && error.code === 'Forbidden';
      input = { kind: 'read-failed', request, forbidden, message: messageOf(error) };
    }
    this.#input(input);
  }

  async #writeLease({
    request,
    base,
    edit,
  }: Extract<Effect, { kind: 'write-lease' }>): Promise<void> {
    const { gate, store, scheduler, wallMs } = this.#options;
    const stored = this.#stored.get(base);
    if (stored === undefined) throw new Error(`no stored Lease for version ${base.version}`);
    const learnedMs = this.#learnedMs ?? scheduler.nowMs();
    const outcome = await gate.run(() => {
      const promotionMs = scheduler.nowMs() - learnedMs;
      const times = { nowMs: wallMs(), detectionMs: 0, promotionMs };
      return store.update(stored, changeOf(stored, edit, times));
    });
    if (outcome.kind !== 'won') {
      this.#input({ ...outcome, request });
      return;
    }
    const won = this.#read(outcome.lease, (lease) => ({ kind: 'won', request, lease }));
    // Stored, and yet not what was sent: something stands between. A quorum read will tell.
    const readable = won.kind === 'won';
    this.#input(readable ? won : { kind: 'unresolved', request, message: wonUnreadable });
  }

  #read(lease: Lease, make: (lease: ShardLease) => Input): Input {
    const reading = readShardLease(lease, this.#whole);
    if (!reading.ok) return { kind: 'unreadable', message: reading.message };
    this.#stored.set(reading.lease, lease);
    this.#learnedMs ??= this.#options.scheduler.nowMs();
    return make(reading.lease);
  }

  #setWake(): void {
    const { wakeAtMs } = this.core;
    if (wakeAtMs === this.#wakeAtMs) return;
    this.#cancelWake();
    this.#cancelWake = () => {};
    this.#wakeAtMs = wakeAtMs;
    if (wakeAtMs === undefined || this.#closed) return;
    const { scheduler } = this.#options;
    this.#cancelWake = scheduler.after(Math.max(0, wakeAtMs - scheduler.nowMs()), () => {
      this.#wakeAtMs = undefined;
      this.#input({ kind: 'tick' });
    });
  }
}

const wonUnreadable = 'the store answered a compare-and-set with another Lease than was sent';
