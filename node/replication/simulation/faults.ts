/**
 * What can go wrong, one function for each. A profile says how likely each is in a step of a run, about a
 * tenth of a second of it.
 */

import type { Cluster } from './cluster.ts';
import type { Operator } from './operator.ts';
import type { Process } from './process.ts';
import { pick } from './world.ts';

export interface FaultContext {
  readonly cluster: Cluster;
  readonly operator: Operator;
  /** Longest pause of a process, longest time until a dead one is started again. */
  readonly pauseMs: number;
  readonly restartMs: number;
  readonly assigned: readonly number[];
}

type Fault = (context: FaultContext, process: Process) => void;

export const faults = {
  /** A process dies; rarely such that a shard loses its last copy. */
  crash: (context, process) => crash(context, process, context.restartMs),
  'crash-leader': (context, process) => {
    crash(context, someLeader(context) ?? process, context.restartMs);
  },
  /** Dead and back at once: its old messages are still under way. */
  bounce: (context, process) => crash(context, process, 20),
  /** Asked to end, as by `kubectl delete pod`; `stop-some`: more than one at a time. */
  stop: (context, process) => stop(context, process),
  'stop-some': (context) => {
    const { cluster } = context;
    for (const one of cluster.processes) if (cluster.world.random() < 0.6) stop(context, one);
  },
  'restart-all': (context) => {
    for (const one of context.cluster.processes) kill(context, one, context.restartMs);
  },
  pause: ({ cluster, pauseMs }, process) => process.pause(cluster.world.random() * pauseMs),
  'pause-leader': (context, process) => {
    const { cluster, pauseMs } = context;
    (someLeader(context) ?? process).pause(cluster.world.random() * pauseMs);
  },
  /** A machine is suspended; it notices as soon as it goes on. */
  suspend: ({ cluster, pauseMs }, process) => process.suspend(cluster.world.random() * pauseMs),
  'suspend-leader': (context, process) => {
    const { cluster, pauseMs } = context;
    (someLeader(context) ?? process).suspend(cluster.world.random() * pauseMs);
  },
  cut: ({ cluster }, process) => cutSome(cluster, process),
  heal: ({ cluster }) => cluster.network.heal(),
  /** A machine loses its network, the way to the API server with it. */
  isolate: ({ cluster }, process) =>
    isolate(cluster, process, 500 + cluster.world.random() * 2_000),
  'isolate-leader': (context, process) => {
    const forMs = 500 + context.cluster.world.random() * 2_000;
    isolate(context.cluster, someLeader(context) ?? process, forMs);
  },
  /** A leader is isolated, and has its peers back before it has the API server. */
  'strand-leader': (context, process) => {
    const { cluster } = context;
    strand(cluster, someLeader(context) ?? process);
  },
  /** A leader speaks to nobody, and hears what the others said before, late. */
  mute: (context, process) => mute(context.cluster, someLeader(context) ?? process),
  /** A leader loses one follower, dies, and the next leader dies soon: the follower was left behind. */
  succession: (context) => succession(context),
  'connections-break': ({ cluster }) => cluster.connections.breakSome(0.5),
  outage: ({ cluster }) => {
    const { random, clock } = cluster.world;
    cluster.store.faults.outage = pick(['refusing', 'silent'] as const, random) ?? 'silent';
    clock.after(random() * 3_000, () => {
      cluster.store.faults.outage = 'none';
    });
  },
  'hand-over': ({ cluster }, process) => {
    const { random } = cluster.world;
    const shard = Math.floor(random() * cluster.options.shards);
    cluster.leaderOf(shard)?.run(() => {
      cluster.leaderOf(shard)?.replica(shard)?.step({ kind: 'hand-over', to: process.self });
    });
  },
  /** Another assignment, of any nodes in any order; `factor` changes their number, too. */
  move: (context) => assign(context, context.cluster.settings.replicationFactor),
  factor: (context) => {
    const { cluster, assigned } = context;
    assign(context, pick(assigned, cluster.world.random) ?? cluster.settings.replicationFactor);
  },
  /** No room for entries, for a while. */
  memory: ({ cluster }, process) => {
    const { random, clock, note } = cluster.world;
    note(() => `${process.self} has no room`);
    process.full = true;
    clock.after(random() * 2_000, () => {
      process.full = false;
    });
  },
  /** Other settings, which each node hears of when it does. */
  settings: ({ cluster }) => {
    const { random } = cluster.world;
    const minInSync = 1 + Math.floor(random() * cluster.settings.replicationFactor);
    const promiseMs = pick([600, 1_000, 1_500], random) ?? 1_000;
    cluster.settle({ minInSync, promiseMs });
  },
  'delete-lease': ({ cluster }) => {
    const { random, options } = { ...cluster.world, options: cluster.options };
    cluster.store.delete(Math.floor(random() * options.shards));
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

export function isolate(cluster: Cluster, process: Process, forMs: number): void {
  const { network, world, names } = cluster;
  world.note(() => `${process.node} is isolated for ${forMs.toFixed(0)} ms`);
  const healing = [...names, 'api'].flatMap((peer) =>
    peer === process.node ? [] : [network.cut(process.node, peer), network.cut(peer, process.node)],
  );
  world.clock.after(forMs, () => {
    for (const heal of healing) heal();
  });
}

function strand(cluster: Cluster, process: Process): void {
  const { network, world } = cluster;
  const forMs = 500 + world.random() * 2_000;
  isolate(cluster, process, forMs);
  world.note(() => `${process.node} is without the API server for longer`);
  const healing = [network.cut(process.node, 'api'), network.cut('api', process.node)];
  world.clock.after(forMs + world.random() * 3_000, () => {
    for (const heal of healing) heal();
  });
}

function mute(cluster: Cluster, process: Process): void {
  const { network, world, names } = cluster;
  const lateMs = 300 + world.random() * 600;
  world.note(() => `${process.node} is mute and hears ${lateMs.toFixed(0)} ms late`);
  const ending = [network.cut(process.node, 'api'), network.cut('api', process.node)];
  for (const peer of names) {
    if (peer === process.node) continue;
    ending.push(network.slowDown(peer, process.node, lateMs));
  }
  // What the others say in answer is late first, then it has nothing more to answer.
  world.clock.after(200 + world.random() * 300, () => {
    for (const peer of names) {
      if (peer !== process.node) ending.push(network.cut(process.node, peer));
    }
  });
  world.clock.after(2_500, () => {
    for (const end of ending) end();
  });
}

function succession(context: FaultContext): void {
  const { cluster } = context;
  const { random, clock } = cluster.world;
  const leader = someLeader(context);
  const behind = pick(
    cluster.processes.filter((one) => one !== leader),
    random,
  );
  if (leader === undefined || behind === undefined) return;
  isolate(cluster, behind, 1_000 + random() * 1_200);
  clock.after(random() * 500, () => {
    crash(context, leader, 3_000);
    clock.after(900 + random() * 900, () => {
      const next = someLeader(context);
      if (next === undefined || next === behind) return;
      if (random() < 0.5) isolate(cluster, next, 1_500 + random() * 1_500);
      else crash(context, next, 3_000);
    });
  });
}

function someLeader({ cluster }: FaultContext): Process | undefined {
  return cluster.leaderOf(Math.floor(cluster.world.random() * cluster.options.shards));
}

function crash(context: FaultContext, process: Process, restartMs: number): void {
  const { cluster } = context;
  if (!process.alive || (!cluster.isSpared(process) && cluster.world.random() > 0.02)) return;
  kill(context, process, restartMs);
}

function stop({ cluster, restartMs }: FaultContext, process: Process): void {
  const { clock, random, note } = cluster.world;
  note(() => `${process.self} is asked to end`);
  process.run(() =>
    process.stop(() => {
      if (!process.alive) return;
      cluster.kill(process, true);
      clock.after(random() * restartMs, () => {
        if (cluster.process(process.node) === undefined) cluster.start(process.node);
      });
    }),
  );
}

function kill({ cluster }: FaultContext, process: Process, restartMs: number): void {
  const { clock, random } = cluster.world;
  cluster.kill(process);
  clock.after(random() * restartMs, () => {
    if (cluster.process(process.node) === undefined) cluster.start(process.node);
  });
}

function cutSome({ network, world, names }: Cluster, { node }: Process): void {
  const other = pick(names, world.random) ?? '';
  world.note(() => `network of ${node} is cut`);
  const dice = world.random();
  for (const peer of dice < 0.4 ? names : [other]) {
    if (peer === node) continue;
    if (dice < 0.4 || dice > 0.6) network.cut(node, peer);
    if (dice < 0.8) network.cut(peer, node);
  }
  // A machine that lost its network altogether: the API server is away, too.
  if (dice < 0.25) {
    network.cut(node, 'api');
    network.cut('api', node);
  }
}

function assign({ cluster, operator }: FaultContext, factor: number): void {
  const { random } = cluster.world;
  const shuffled = [...cluster.names].sort(() => random() - 0.5);
  operator.assign(Math.floor(random() * cluster.options.shards), shuffled.slice(0, factor));
}
