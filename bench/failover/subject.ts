/** A cluster whose leaders are killed. Disposing of it ends what was started, and nothing else. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import { EtcdCluster, type EtcdProgram } from '../servers/etcd.ts';
import { projectVersion } from '../servers/rdb.ts';
import { handBack, startLocalRdb, untilInSync } from '../servers/rdb-cluster.ts';
import { RedisCluster } from '../servers/redis-cluster.ts';

export interface Subject extends AsyncDisposable {
  readonly title: string;
  readonly protocol: 'resp' | 'etcd';
  readonly ports: readonly number[];
  /** Shards, as equal ranges of slots. */
  readonly groups: number;
  /** Kills a process that leads, without a word; the groups that it led. */
  kill(round: number): Promise<readonly number[]>;
  /** The killed process runs again, and everything has all its copies. */
  restore(): Promise<void>;
}

export async function startRdbSubject(factor: number): Promise<Subject> {
  const cluster = await startLocalRdb({ nodes: 3, factor, leaders: 'spread' });
  return {
    title: `r_db ${await projectVersion()}, factor ${factor}`,
    protocol: 'resp',
    ports: cluster.ports.map(({ resp }) => resp),
    groups: cluster.shards,
    kill: async (round) => {
      const turned = cluster.nodes.map((_, i) => cluster.nodes[(round + i) % cluster.nodes.length]);
      const victim = turned.find((node) => shardsOf(cluster, node?.name ?? '').length > 0);
      const led = shardsOf(cluster, victim?.name ?? '');
      if (victim?.signal('SIGKILL') !== true) throw new BenchError('no process to kill');
      return led;
    },
    restore: async () => {
      await untilInSync(cluster, factor);
      await handBack(cluster);
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function shardsOf(cluster: LocalCluster, name: string): number[] {
  return Array.from({ length: cluster.shards }, (_, shard) => shard).filter(
    (shard) => cluster.shard(shard).leader?.node === name,
  );
}

export async function startRedisSubject(nodeTimeoutMs: number): Promise<Subject> {
  const cluster = await RedisCluster.start({ masters: 3, nodeTimeoutMs });
  return {
    title: `Redis Cluster ${cluster.version}, timeout ${nodeTimeoutMs / 1000} s`,
    protocol: 'resp',
    ports: cluster.nodes.map(({ port }) => port),
    groups: cluster.masters,
    kill: async (round) => {
      const group = round % cluster.masters;
      await cluster.killMasterOf(group);
      return [group];
    },
    restore: () => cluster.restore(),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

export async function startEtcdSubject(program: EtcdProgram): Promise<Subject> {
  const cluster = await EtcdCluster.start(program, 3);
  let killed = -1;
  return {
    title: `etcd ${cluster.version}, 3 members`,
    protocol: 'etcd',
    ports: cluster.members.map(({ port }) => port),
    groups: 1,
    kill: async () => {
      killed = await cluster.leader();
      const pid = cluster.members[killed]?.child?.pid;
      if (pid === undefined) throw new BenchError('no process to kill');
      process.kill(pid, 'SIGKILL');
      return [0];
    },
    restore: async () => {
      await cluster.startMember(killed, 'existing');
      // A member that has just come back still catches up.
      await delay(limits.settleMs);
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
