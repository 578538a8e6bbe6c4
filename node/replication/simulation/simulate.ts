/** One run: a cluster, clients and faults drawn from a seed, then peace, then what must hold at rest. */

import { seededRandom } from '../core/backoff.ts';
import { nodeOf } from '../core/identity.ts';
import type { BreakableRule } from '../core/rules.ts';
import { Clients } from './clients.ts';
import { VirtualClock } from './clock.ts';
import { Cluster } from './cluster.ts';
import { type Profile, type ProfileName, profiles } from './profiles.ts';
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
const steps = 50;
const stepMs = 150;
/** How long a cluster may take to be whole once faults end: outages, back-off, snapshots, promises. */
const settleMs = 10_000;

export function simulate({ seed, broken, traced = false, ...given }: RunOptions): RunResult {
  const random = seededRandom(seed);
  const names = Object.keys(profiles) as ProfileName[];
  const drawn = pick(names, random) ?? 'general';
  const name = given.profile ?? drawn;
  const profile: Profile = profiles[name];
  const clock = new VirtualClock();
  const trace: string[] = [];
  const note = (line: () => string) => {
    if (traced) trace.push(`${clock.nowMs.toFixed(2).padStart(10)} ${line()}`);
  };
  const world: World = { clock, random, broken, note };
  const { nodes, replicationFactor, minInSync, logBytesMax } = profile;
  const cluster = new Cluster(world, {
    nodes,
    shards: 1,
    replicationFactor,
    minInSync,
    promiseMs,
    logBytesMax,
  });
  const clients = new Clients(cluster, {
    clients: 4,
    keys: 5,
    pauseMs: profile.pauseOfClientsMs,
    astray: profile.astray,
    reads: profile.reads,
    slowReadMs: profile.slowReadMs,
  });
  const run = new Run(cluster, clients, profile);
  run.run();
  return {
    violation: cluster.failure as Violation | undefined,
    profile: name,
    operations: clients.done,
    lost: cluster.checkers.filter(({ lost }) => lost).length,
    epochs: cluster.store.lease(0).epoch,
    trace,
  };
}

class Run {
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #profile: Profile;

  constructor(cluster: Cluster, clients: Clients, profile: Profile) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#profile = profile;
  }

  run(): void {
    const cluster = this.#cluster;
    for (const node of cluster.names) cluster.start(node);
    this.#pass(1_500);
    this.#clients.start();
    this.#setFaults();
    for (let step = 0; step < steps && cluster.failure === undefined; step++) {
      this.#pass(stepMs * 2 * cluster.world.random());
      this.#fault();
    }
    this.#clients.stop();
    this.#makePeace();
    for (let at = 0; at < settleMs && cluster.failure === undefined; at += 1_000) {
      this.#pass(1_000);
      cluster.operate();
    }
    // What was lost would be missed by reads now.
    this.#clients.start();
    this.#pass(500);
    this.#clients.stop();
    this.#pass(promiseMs);
    cluster.guarded(() => this.#checkAtRest());
  }

  #pass(byMs: number): void {
    const { clock } = this.#cluster.world;
    const endMs = clock.nowMs + byMs;
    // In parts, so that a failure ends the run soon.
    while (clock.nowMs < endMs && this.#cluster.failure === undefined) {
      clock.runUntil(Math.min(endMs, clock.nowMs + 50));
    }
  }

  #setFaults(): void {
    const { store, network } = this.#cluster;
    const { lost, late, storeMs, watchMs, loss, doubled, slow, delayMs } = this.#profile;
    Object.assign(store.faults, { lost, late, latencyMs: storeMs, watchMs });
    Object.assign(network.faults, { lost: loss, doubled, slow, delayMs });
  }

  #fault(): void {
    const cluster = this.#cluster;
    const { random, clock } = cluster.world;
    const { crash, pause, pauseMs, cut, heal, outage, handOver, move } = this.#profile;
    const process = pick(cluster.processes, random);
    const other = pick(cluster.names, random) ?? '';
    if (process === undefined) return;
    if (random() < crash && (cluster.isSpared(process) || random() < 0.02)) {
      cluster.kill(process);
      clock.after(random() * 2_000, () => {
        if (cluster.process(process.node) === undefined) cluster.start(process.node);
      });
    }
    if (random() < pause && !process.paused) {
      cluster.world.note(() => `${process.self} pauses`);
      process.paused = true;
      clock.after(random() * pauseMs, () => {
        if (!process.paused) return;
        cluster.world.note(() => `${process.self} goes on`);
        process.resume();
      });
    }
    if (random() < cut) this.#cut(process.node, other);
    if (random() < heal) cluster.network.heal();
    if (random() < outage) {
      cluster.store.faults.outage = pick(['refusing', 'silent', 'none'] as const, random) ?? 'none';
    } else if (random() < 0.1) cluster.store.faults.outage = 'none';
    if (random() < handOver) {
      const to = cluster.process(other);
      for (const { replicas } of cluster.processes) {
        if (to !== undefined) replicas[0]?.step({ kind: 'hand-over', to: to.self });
      }
    }
    if (random() < move) this.#move();
  }

  #cut(node: string, other: string): void {
    const { network, world, names } = this.#cluster;
    world.note(() => `network of ${node} is cut`);
    const dice = world.random();
    const peers = dice < 0.4 ? names : [other];
    for (const peer of peers) {
      if (peer === node) continue;
      if (dice < 0.4 || dice > 0.6) network.cut(node, peer);
      if (dice < 0.8) network.cut(peer, node);
    }
    // A machine that lost its network altogether: the API server is away, too.
    if (dice < 0.25) network.cut(node, 'api');
  }

  /** Another assignment, as the operator writes it: of any nodes, in any order. */
  #move(): void {
    const cluster = this.#cluster;
    const { random } = cluster.world;
    const lease = cluster.store.lease(0);
    if (lease.leader === undefined) return;
    const shuffled = [...cluster.names].sort(() => random() - 0.5);
    const assignment = shuffled.slice(0, cluster.options.replicationFactor);
    cluster.store.put(0, { assignment });
  }

  #makePeace(): void {
    const cluster = this.#cluster;
    cluster.world.note(() => 'peace');
    cluster.network.heal();
    Object.assign(cluster.network.faults, { lost: 0, doubled: 0, slow: 0 });
    Object.assign(cluster.store.faults, { outage: 'none', lost: 0, late: 0, watchMs: 20 });
    for (const process of cluster.processes) if (process.paused) process.resume();
    for (const node of cluster.names) {
      if (cluster.process(node) === undefined) cluster.start(node);
    }
  }

  #checkAtRest(): void {
    const cluster = this.#cluster;
    for (const checker of cluster.checkers) {
      const { shard } = checker;
      const { leader, inSync, assignment } = cluster.store.lease(shard);
      const process = leader === undefined ? undefined : cluster.process(nodeOf(leader));
      const replica = process?.self === leader ? process?.replicas[shard] : undefined;
      const serving = replica?.serving;
      if (process === undefined || replica === undefined || serving?.role !== 'leader') {
        throw new Violation('progress', `shard ${shard} has no leader: ${leader} is named`);
      }
      if (!serving.writable || serving.readUntilMs <= process.nowMs) {
        throw new Violation('progress', `${leader} does not serve: ${JSON.stringify(serving)}`);
      }
      const nodes = inSync.map(nodeOf).sort().join();
      if (nodes !== [...assignment].sort().join()) {
        throw new Violation('progress', `the set is ${inSync}, assigned are ${assignment}`);
      }
      checker.checkNothingLost(replica.core.positions.applied.sequence);
      const content = JSON.stringify([...replica.data].sort());
      for (const member of inSync) {
        const other = cluster.process(nodeOf(member))?.replicas[shard];
        const equal = other && JSON.stringify([...other.data].sort()) === content;
        if (!equal) throw new Violation('replicas-equal', `${member} differs from ${leader}`);
      }
      checker.checkHistories();
    }
  }
}
