/** `npm start`: a cluster of r_db on this machine. */

import { LocalClusterError } from './errors.ts';
import { startLocalCluster } from './local-cluster.ts';
import { showLine } from './log-line.ts';
import { type DevOptions, readOptions, usage } from './options.ts';
import { LOCALHOST, type NodePorts, planPorts } from './ports.ts';

const exit = { failure: 1, wrongUse: 2 } as const;

await run().catch((error: unknown) => {
  if (!(error instanceof LocalClusterError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = exit.failure;
});

async function run(): Promise<void> {
  const options = parse();
  if (options === undefined) return;
  const ports = planPorts(options.port, options.nodes);
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve());
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stop.abort(new LocalClusterError(`ended by ${signal}`)));
  }
  await using cluster = await startLocalCluster({
    ports,
    shards: options.shards,
    threads: options.threads,
    replicationFactor: options.replicationFactor,
    totalLoss: options.totalLoss,
    environment: process.env,
    onLine: (node, line) => {
      const shown = showLine(node, line, options);
      if (shown !== undefined) process.stderr.write(`${shown}\n`);
    },
    onDeath: (node, how) => process.stderr.write(`${node} ended (${how}): starting it again\n`),
    signal: stop.signal,
  });
  process.stdout.write(greeting(cluster.nodes.length, options, ports));
  await stopped;
  process.stdout.write('\nending\n');
}

function parse(): DevOptions | undefined {
  try {
    const options = readOptions(process.argv.slice(2));
    if (!options.help) return options;
    process.stdout.write(usage);
  } catch (error) {
    if (!(error instanceof LocalClusterError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = exit.wrongUse;
  }
  return undefined;
}

function greeting(
  nodes: number,
  { shards, replicationFactor }: DevOptions,
  ports: readonly NodePorts[],
): string {
  const of = (use: keyof NodePorts): string => ports.map((node) => node[use]).join(', ');
  const [first] = ports;
  const copies = replicationFactor === 1 ? 'one copy' : `${replicationFactor} copies`;
  return `r_db: ${nodes} nodes, ${shards} shards, ${copies} of each, ready after ${(performance.now() / 1_000).toFixed(1)} s

  RESP     ${LOCALHOST}  ${of('resp')}
  gRPC     ${LOCALHOST}  ${of('grpc')}
  peers    ${LOCALHOST}  ${of('peer')}
  metrics  ${LOCALHOST}  ${of('metrics')}

  redis-cli -c -p ${first?.resp} set a 1
  npx rdb status

Nothing is kept when it ends. Ctrl-C ends it.
`;
}
