/** Writes and reads many keys with ioredis, knowing one node at first, and one connection a node. */
import { Cluster, Redis } from 'ioredis';

export interface RedisTask {
  readonly host: string;
  readonly keys: number;
  readonly prefix: string;
}

export interface RedisAnswer {
  /** Keys whose value came back as it was written. */
  readonly good: number;
  /** Nodes that ioredis knew in the end. */
  readonly nodes: readonly string[];
  /** Keys on each node, by DBSIZE. */
  readonly sizes: readonly number[];
  /** MOVED answers of the one node, asked for every key without following. */
  readonly moved: number;
}

const { host, keys, prefix } = JSON.parse(process.argv[2] ?? '') as RedisTask;
const names = Array.from({ length: keys }, (_, index) => `${prefix}:${index}`);
const cluster = new Cluster([{ host, port: 6379 }], { slotsRefreshTimeout: 5000 });
const single = new Redis({ host, port: 6379 });
try {
  await Promise.all(names.map((name) => cluster.set(name, `value of ${name}`)));
  const values = await Promise.all(names.map((name) => cluster.get(name)));
  const redirected = await Promise.allSettled(names.map((name) => single.get(name)));
  const masters = cluster.nodes('master');
  const answer: RedisAnswer = {
    good: names.filter((name, index) => values[index] === `value of ${name}`).length,
    nodes: masters.map(({ options }) => `${options.host}:${options.port}`).sort(),
    sizes: await Promise.all(masters.map((node) => node.dbsize())),
    moved: redirected.filter(
      (each) => each.status === 'rejected' && /^MOVED \d+ \S+:6379$/.test(each.reason.message),
    ).length,
  };
  process.stdout.write(JSON.stringify(answer));
} finally {
  cluster.disconnect();
  single.disconnect();
}
