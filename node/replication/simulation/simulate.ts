/** One run: a cluster, clients and faults drawn from a seed, then peace, then what must hold at rest. */

import { seededRandom } from '../core/backoff.ts';
import { limits } from '../core/limits.ts';
import type { BreakableRule } from '../core/rules.ts';
import { Clients } from './clients.ts';
import { VirtualClock } from './clock.ts';
import { Cluster } from './cluster.ts';
import { type FaultContext, type FaultName, faults } from './faults.ts';
import { watchMoments } from './moments.ts';
import { Operator } from './operator.ts';
import { type Profile, type ProfileName, profiles } from './profiles.ts';
import { unrest } from './rest.ts';
import { pick, Violation, type World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly profile?: ProfileName | undefined;
  readonly broken?: BreakableRule | undefined;
  readonly traced?: boolean;
}

export interface RunResult {
  readonly violation: Violation | undefined;
  readonly profile: ProfileName;
  readonly operations: number;
  /** Shards that lost their whole in-sync set: nothing is promised of them. */
  readonly lost: number;
  readonly epochs: number;
  readonly trace: readonly string[];
}

const promiseMs = 1_000;
const stepMs = 100;
const reconcileMs = 400;
/** How long a cluster may take to be whole once faults end: late requests, back-off, snapshots, promises. */
const settleMs = 12_000;

export function simulate({ seed, broken, traced = false, ...given }: RunOptions): RunResult {
  const random = seededRandom(seed);
  const names = Object.keys(profiles) as ProfileName[];
  const drawn = pick(names, random) ?? 'general';
  const name = given.profile ?? drawn;
  const clock = new VirtualClock();
  const trace: string[] = [];
  const note = (line: () => string) => {
    if (traced) trace.push(`${clock.nowMs.toFixed(2).padStart(10)} ${line()}`);
  };
  const run = new Run({ clock, random, broken, note }, profiles[name]);
  run.run();
  const { cluster, clients } = run;
  return {
    violation: cluster.failure,
    profile: name,
    operations: clients.done,
    lost: cluster.lost,
    epochs: cluster.checkers.reduce(
      (sum, { shard }) => sum + (cluster.store.lease(shard)?.epoch ?? 0),
      0,
    ),
    trace,
  };
}

class Run {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly #operator: Operator;
  readonly #profile: Profile;
  readonly #faults: readonly (readonly [FaultName, number])[];
  readonly #context: FaultContext;
  #faulty = false;

  constructor(world: World, profile: Profile) {
    this.#profile = profile;
    const { sessionsMax } = profile;
    const sessionBounds = { ...limits, sessionsMax };
    this.cluster = new Cluster(world, { ...profile, promiseMs, ratesApart: 0.04, sessionBounds });
    this.clients = new Clients(this.cluster, profile);
    this.#operator = new Operator(this.cluster);
    this.#faults = Object.entries(profile.faults) as [FaultName, number][];
    this.#context = { ...profile, cluster: this.cluster, operator: this.#operator };
    watchMoments(this.cluster, profile, () => this.#faulty);
  }

  run(): void {
    const { cluster, clients } = this;
    for (const node of cluster.names) cluster.start(node);
    this.#reconcile();
    this.#pass(600);
    clients.start();
    this.#setFaults();
    for (let step = 0; step < this.#profile.steps && cluster.failure === undefined; step++) {
      this.#pass(stepMs * 2 * cluster.world.random());
      this.#fault();
    }
    clients.stop();
    this.#makePeace();
    this.#pass(500);
    let restless: string | undefined;
    for (let waitedMs = 0; cluster.failure === undefined; waitedMs += 100) {
      const reason = this.#unrest();
      if (reason === undefined) break;
      if (waitedMs >= settleMs) {
        restless = reason;
        break;
      }
      this.#pass(100);
    }
    // What was lost would be missed by reads now.
    clients.readAll();
    this.#pass(100);
    cluster.guarded(() => {
      for (const checker of cluster.checkers) checker.checkHistories();
      if (restless !== undefined) throw new Violation('progress', restless);
    });
  }

  #pass(byMs: number): void {
    const { clock } = this.cluster.world;
    const endMs = clock.nowMs + byMs;
    // In parts, so that a failure ends the run soon.
    while (clock.nowMs < endMs && this.cluster.failure === undefined) {
      clock.runUntil(Math.min(endMs, clock.nowMs + 50));
    }
  }

  #reconcile(): void {
    this.cluster.guarded(() => this.#operator.reconcile());
    this.cluster.world.clock.after(reconcileMs, () => this.#reconcile());
  }

  #setFaults(): void {
    const { store, network } = this.cluster;
    const { lost, late, lateOf, busy, storeMs, watchMs, loss, doubled, slow, delayMs } =
      this.#profile;
    Object.assign(store.faults, { lost, late, lateOf, busy, latencyMs: storeMs, watchMs });
    Object.assign(network.faults, { lost: loss, doubled, slow, delayMs });
    this.#faulty = true;
  }

  #fault(): void {
    const { cluster } = this;
    const { random } = cluster.world;
    for (const [name, chance] of this.#faults) {
      if (random() >= chance) continue;
      const process = pick(cluster.processes, random);
      if (process === undefined) return;
      cluster.world.note(() => `fault: ${name}`);
      cluster.guarded(() => faults[name](this.#context, process));
    }
  }

  #makePeace(): void {
    const { cluster } = this;
    cluster.world.note(() => 'peace');
    this.#faulty = false;
    cluster.network.heal();
    Object.assign(cluster.network.faults, { lost: 0, doubled: 0, slow: 0 });
    Object.assign(cluster.store.faults, {
      outage: 'none',
      lost: 0,
      late: 0,
      lateOf: {},
      busy: 0,
      watchMs: 20,
    });
    for (const process of cluster.processes) {
      process.full = false;
      process.resume();
    }
    for (const node of cluster.names) {
      if (cluster.process(node) === undefined) cluster.start(node);
    }
  }

  #unrest(): string | undefined {
    let reason: string | undefined;
    this.cluster.guarded(() => {
      reason = unrest(this.cluster);
    });
    return reason;
  }
}
