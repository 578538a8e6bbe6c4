/** Redis as a cache: nothing is written to disk, as r_db writes nothing. */
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { outputOf, startChild } from '../process.ts';
import type { BenchServer } from './server.ts';
import { ask, lines, numberIn } from './text.ts';

const debianPackage = 'redis-server';

export async function startRedis(): Promise<BenchServer> {
  const told = await outputOf('redis-server', ['--version'], debianPackage);
  const version = /v=([\d.]+)/.exec(told)?.[1] ?? 'unknown';
  const port = await freePort();
  const argv = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = await startChild({
    command: 'redis-server',
    argv,
    debianPackage,
    isReady: async () => (await ask(port, 'PING\r\n', lines(1))).startsWith('+PONG'),
  });
  return {
    name: 'redis',
    title: `Redis ${version}`,
    protocol: 'resp',
    port,
    pid: child.pid,
    readyMs: child.readyMs,
    countKeys: async () => numberIn(await ask(port, 'DBSIZE\r\n', lines(1)), /^:(\d+)/),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
