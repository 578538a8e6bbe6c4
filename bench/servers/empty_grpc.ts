/** The gRPC server that does nothing, in a process of its own as r_db is. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BenchError } from '../errors.ts';
import { spawnServer } from '../process.ts';

export interface GrpcTarget extends AsyncDisposable {
  readonly title: string;
  readonly pid: number;
  readonly grpcPort: number;
}

export async function startEmptyGrpc(): Promise<GrpcTarget> {
  const main = join(import.meta.dirname, '..', 'grpc', 'empty_main.ts');
  const child = spawnServer(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new BenchError('the empty gRPC server has no output');
  const gone = once(child, 'exit');
  const dispose = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^listening on (\d+)$/.exec(line)?.[1];
    if (port === undefined || child.pid === undefined) continue;
    const title = 'empty grpc-js handler';
    return { title, pid: child.pid, grpcPort: Number(port), [Symbol.asyncDispose]: dispose };
  }
  throw new BenchError('the empty gRPC server ended at its start');
}
