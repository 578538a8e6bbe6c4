/** r_db as users run it without Kubernetes: one node with one data thread, a process of its own. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalClusterError } from '@r-db/node/dev/errors.ts';
import { freePorts } from '@r-db/node/dev/free-ports.ts';
import { LocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { BenchServer } from './server.ts';
import { ask, lines, numberIn } from './text.ts';

/** Room for every benchmark's data; the node takes what it uses. */
const memoryLimitBytes = 4 * 2 ** 30;
/** So many keys fall on most shards: that all are led the Leases say. */
const probes = 64;

export interface RdbServer extends BenchServer {
  readonly grpcPort: number;
}

export async function startRdb(): Promise<RdbServer> {
  const [ports] = await freePorts(1);
  if (ports === undefined) throw new BenchError('no free ports');
  const begin = performance.now();
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(
    await LocalCluster.create({ ports: [ports], threads: 1, logLevel: 'warn', memoryLimitBytes }),
  );
  const node = cluster.nodes[0];
  await untilWritable(cluster, ports.resp, begin);
  const readyMs = performance.now() - begin;
  if (node?.pid === undefined || node.starts !== 1) throw new BenchError('r_db ended at its start');
  const kept = stack.move();
  return {
    name: 'r_db',
    title: `r_db ${await projectVersion()}`,
    protocol: 'resp',
    port: ports.resp,
    grpcPort: ports.grpc,
    pid: node.pid,
    readyMs,
    countKeys: async () => numberIn(await ask(ports.resp, 'DBSIZE\r\n', lines(1)), /^:(\d+)/),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** All shards have a leader and writes are answered. */
async function untilWritable(cluster: LocalCluster, port: number, begin: number): Promise<void> {
  const { readyTimeoutMs, readyPollMs } = limits;
  try {
    await cluster.until((shards) => shards.every(({ leader }) => leader !== undefined), {
      timeoutMs: readyTimeoutMs,
    });
    const keys = Array.from({ length: probes }, (_, index) => `probe:${index}`);
    const sets = keys.map((key) => `SET ${key} 1\r\n`).join('');
    while ((await answer(port, sets, probes)) !== '+OK\r\n'.repeat(probes)) {
      if (performance.now() - begin > readyTimeoutMs) throw new Error('writes are not answered');
      await delay(readyPollMs);
    }
    await ask(port, `${keys.map((key) => `DEL ${key}\r\n`).join('')}`, lines(probes));
  } catch (error) {
    const said = cluster.nodes.flatMap((node) => node.lines).join('\n');
    const cause = error instanceof LocalClusterError ? error.message : String(error);
    throw new BenchError(`r_db is not ready: ${cause}\n${said}`, { cause: error });
  }
}

async function answer(port: number, question: string, count: number): Promise<string> {
  return ask(port, question, lines(count)).catch(() => '');
}

export async function projectVersion(): Promise<string> {
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
