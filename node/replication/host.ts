/**
 * The shards of one data thread: a core for each shard whose home it is, driven by one watch.
 *
 * `ShardHost` knows nothing of threads or ports; `start.ts` puts it into one.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { LeaseEvent, LeaseStore, LeaseWatch } from '@r-db/leases/store.ts';
import { leaseSelector, shardOfLeaseName } from '@r-db/proto/leases.ts';
import { type Incarnation, incarnation } from './core/identity.ts';
import type { CoreEvent, TotalLoss } from './core/io.ts';
import { limits as coreLimits } from './core/limits.ts';
import { limits } from './limits.ts';
import { RequestGate } from './request-gate.ts';
import type { ClusterIdentity } from './shard-lease.ts';
import { type ShardEngine, ShardRunner } from './shard-runner.ts';

export interface ShardHostOptions extends ClusterIdentity {
  /** `demo-0/<incarnation>` of this process. */
  readonly self: string;
  /** Incarnations that have certainly ended: earlier starts of this very pod. */
  readonly ended: readonly string[];
  /** Until `setTotalLoss`. */
  readonly totalLoss: TotalLoss;
  /** Shards of the whole cluster. */
  readonly shards: number;
  readonly thread: number;
  readonly threads: number;
  readonly engine: ShardEngine;
  readonly store: LeaseStore;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** For the random part of waits; another number for each process. */
  readonly seed: number;
  readonly onReport: (report: ShardReport) => void;
}

/** What the rest of the process learns of a shard, whenever something changed. */
export interface ShardReport {
  readonly shard: number;
  readonly role: 'elsewhere' | 'starting' | 'leader';
  readonly epoch: number;
  readonly generation: number;
  /** Why the Lease can't be followed, if so. */
  readonly lost: string | undefined;
  readonly stopped: boolean;
  readonly events: readonly CoreEvent[];
}

export class ShardHost implements AsyncDisposable {
  readonly #options: ShardHostOptions;
  readonly #runners = new Map<number, ShardRunner>();
  readonly #stopped = Promise.withResolvers<void>();
  /** What was last reported of each shard: the same is not reported again. */
  readonly #told: string[] = [];
  #watch: LeaseWatch | undefined;

  constructor(options: ShardHostOptions) {
    this.#options = options;
    const { shards, thread, threads, cluster, clusterId, engine, store } = options;
    const { scheduler, wallMs } = options;
    const gate = new RequestGate(limits.requestsInFlightMax);
    const core = {
      self: incarnation(options.self),
      gone: new Set<Incarnation>(options.ended.map(incarnation)),
      totalLoss: options.totalLoss,
      replication: {
        minInSync: 1,
        promiseMs: coreLimits.promiseMs,
        logBytesMax: coreLimits.logBytesMax,
      },
    };
    for (let shard = thread; shard < shards; shard += threads) {
      const runner = new ShardRunner({
        shard,
        identity: { cluster, clusterId },
        core: { ...core, seed: options.seed + shard },
        engine,
        store,
        gate,
        scheduler,
        wallMs,
        onChange: (changed, events) => this.#changed(changed, events),
      });
      this.#runners.set(shard, runner);
    }
  }

  /** Follows the Leases from now on. */
  start(): void {
    const { store, cluster } = this.#options;
    this.#watch = store.watch(leaseSelector(cluster, 'Shard'), (event) => this.#observed(event));
  }

  /** Takes effect at once, on shards that wait for a person too. */
  setTotalLoss(totalLoss: TotalLoss): void {
    for (const runner of this.#runners.values()) runner.setTotalLoss(totalLoss);
  }

  /** Stops serving at once; resolves when every Lease says so that can. The caller bounds the wait. */
  async shutdown(): Promise<void> {
    for (const runner of this.#runners.values()) runner.shutdown();
    this.#checkStopped();
    await this.#stopped.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runner of this.#runners.values()) runner.close();
    await this.#watch?.[Symbol.asyncDispose]();
  }

  #observed(event: LeaseEvent): void {
    const shard = shardOfLeaseName(this.#options.cluster, event.lease.name);
    if (shard !== undefined) this.#runners.get(shard)?.observed(event);
  }

  #changed({ shard, core }: ShardRunner, events: readonly CoreEvent[]): void {
    const { lastKnown, lost } = core.known;
    const state = {
      shard,
      role: core.serving.role,
      epoch: lastKnown?.epoch ?? 0,
      generation: lastKnown?.generation ?? 0,
      lost,
      stopped: core.stopped,
    };
    const told = JSON.stringify(state);
    if (events.length === 0 && told === this.#told[shard]) return;
    this.#told[shard] = told;
    this.#options.onReport({ ...state, events });
    this.#checkStopped();
  }

  #checkStopped(): void {
    if ([...this.#runners.values()].every(({ core }) => core.stopped)) this.#stopped.resolve();
  }
}
