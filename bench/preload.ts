/** Fills a server with numbered keys and makes sure that they are there. */
import { WrongAnswerError } from './errors.ts';
import { runLoad, type Sample } from './generator/run.ts';
import type { BenchServer } from './servers/server.ts';

/** Deep enough that filling is quick, shallow enough that no server's buffers grow much. */
const pipeline = '32';
const connections = 8;

export async function preload(
  program: string,
  server: BenchServer,
  pairs: { readonly keys: number; readonly valueBytes: number },
): Promise<Sample> {
  const { port, pid, protocol } = server;
  const operation = 'load';
  const load = {
    operation,
    port,
    pid,
    protocol,
    pipeline,
    connections,
    salt: 0,
    ...pairs,
  } as const;
  const sample = await runLoad(program, load);
  const stored = await server.countKeys();
  if (stored !== pairs.keys) {
    throw new WrongAnswerError(`${server.title} holds ${stored} keys after ${pairs.keys} writes`);
  }
  return sample;
}
