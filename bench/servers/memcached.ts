/** memcached, for its memory: one worker thread, room for everything that a benchmark stores. */
import { userInfo } from 'node:os';
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { outputOf, startChild } from '../process.ts';
import type { BenchServer } from './server.ts';
import { ask, lines, numberIn } from './text.ts';

const debianPackage = 'memcached';
/** More than any benchmark stores: memcached would evict, and lose bytes from the count. */
const memoryMebibytes = 8192;

export async function startMemcached(): Promise<BenchServer> {
  const told = await outputOf('memcached', ['--version'], debianPackage);
  const version = /([\d.]+)/.exec(told)?.[1] ?? 'unknown';
  const port = await freePort();
  const argv = ['-l', '127.0.0.1', '-p', `${port}`, '-U', '0', '-t', '1'];
  const child = await startChild({
    command: 'memcached',
    argv: [...argv, '-m', `${memoryMebibytes}`, '-u', userInfo().username],
    debianPackage,
    isReady: async () => (await ask(port, 'version\r\n', lines(1))).startsWith('VERSION'),
  });
  const statistics = () => ask(port, 'stats\r\n', (answer) => answer.endsWith('END\r\n'));
  return {
    name: 'memcached',
    title: `memcached ${version}`,
    protocol: 'memcached',
    port,
    pid: child.pid,
    readyMs: child.readyMs,
    countKeys: async () => numberIn(await statistics(), /STAT curr_items (\d+)/),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
