/** The command line of `npm start`. */

import { parseArgs } from 'node:util';
import { REPLICATION_FACTOR_MAX } from '@r-db/proto/limits.ts';
import { LocalClusterError } from './errors.ts';
import { limits } from './limits.ts';
import { DEFAULT_PORT } from './ports.ts';

export interface DevOptions {
  readonly nodes: number;
  /** First RESP port. */
  readonly port: number;
  readonly shards: number;
  readonly threads: number;
  readonly replicationFactor: number;
  readonly totalLoss: 'Reset' | 'Hold';
  readonly verbose: boolean;
  readonly help: boolean;
}

export const usage = `npm start -- [options]: a cluster of r_db on this machine, without Kubernetes

  --nodes N        processes, 1 to ${limits.nodesMax} (3)
  --port P         RESP port of the first node (${DEFAULT_PORT}); the others follow, gRPC is at P + 1000,
                   peers at P + 2000, metrics at P + 2742
  --shards N       1 to 1024 (64)
  --threads N      data threads of each node, 1 to 64 (1)
  --replication-factor N   copies of every shard, 1 to 5 (3, or as many as there are nodes)
  --total-loss W   Reset: a node that died starts again, empty (default). Hold: its shards stay away
  --verbose        every log line, not only warnings
  --help           this
`;

const SHARDS_MAX = 1_024;
const THREADS_MAX = 64;

/** Throws LocalClusterError naming the option that is wrong. */
export function readOptions(argv: readonly string[]): DevOptions {
  const { values } = parse(argv);
  const totalLoss = values['total-loss'] ?? 'Reset';
  if (totalLoss !== 'Reset' && totalLoss !== 'Hold') {
    throw new LocalClusterError(`--total-loss ${totalLoss}: it must be Reset or Hold`);
  }
  const nodes = whole('--nodes', values.nodes, { fallback: 3, min: 1, max: limits.nodesMax });
  return {
    nodes,
    port: whole('--port', values.port, { fallback: DEFAULT_PORT, min: 1, max: 65_535 }),
    shards: whole('--shards', values.shards, { fallback: 64, min: 1, max: SHARDS_MAX }),
    threads: whole('--threads', values.threads, { fallback: 1, min: 1, max: THREADS_MAX }),
    replicationFactor: whole('--replication-factor', values['replication-factor'], {
      fallback: Math.min(3, nodes),
      min: 1,
      max: Math.min(REPLICATION_FACTOR_MAX, nodes),
    }),
    totalLoss,
    verbose: values.verbose ?? false,
    help: values.help ?? false,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        nodes: { type: 'string' },
        port: { type: 'string' },
        shards: { type: 'string' },
        threads: { type: 'string' },
        'replication-factor': { type: 'string' },
        'total-loss': { type: 'string' },
        verbose: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new LocalClusterError(`${(error as Error).message}. See --help`);
  }
}

function whole(
  name: string,
  text: string | undefined,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new LocalClusterError(`${name} ${text}: it must be a whole number from ${min} to ${max}`);
}
