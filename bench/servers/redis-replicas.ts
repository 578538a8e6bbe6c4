/** Redis with replicas, none of which writes to disk; writes are followed by WAIT, so that all of them have it. */
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { outputOf, startChild } from '../process.ts';
import type { Contender } from './contender.ts';
import { ask, lines } from './text.ts';

const debianPackage = 'redis-server';

export async function startRedisReplicas(replicas: number): Promise<Contender> {
  const told = await outputOf('redis-server', ['--version'], debianPackage);
  const version = /v=([\d.]+)/.exec(told)?.[1] ?? 'unknown';
  await using stack = new AsyncDisposableStack();
  const pids: number[] = [];
  const port = await freePort();
  for (let i = 0; i <= replicas; i++) {
    const own = i === 0 ? port : await freePort();
    const argv = ['--port', `${own}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    // Else a replica that comes first waits five seconds for others.
    argv.push('--repl-diskless-sync-delay', '0');
    // Otherwise a replica that receives its copy leaves a dump behind.
    argv.push('--repl-diskless-load', 'swapdb');
    if (i > 0) argv.push('--replicaof', '127.0.0.1', `${port}`);
    const isReady = async (): Promise<boolean> => {
      if (i === 0) return (await ask(own, 'PING\r\n', lines(1))).startsWith('+PONG');
      const info = await ask(own, 'INFO replication\r\n', (answer) => answer.endsWith('\r\n'));
      return info.includes('master_link_status:up');
    };
    const child = stack.use(
      await startChild({ command: 'redis-server', argv, debianPackage, isReady }),
    );
    pids.push(child.pid);
  }
  // A write that all have: from here on WAIT is answered by all.
  await ask(port, `SET ready 1\r\nWAIT ${replicas} 0\r\nDEL ready\r\n`, lines(3));
  const kept = stack.move();
  return {
    title: `Redis ${version}, WAIT ${replicas}`,
    load: { port, protocol: 'resp', wait: replicas },
    pids,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
