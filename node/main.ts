/** The database node's process: reads the environment, starts a `NodeProcess`, ends it on a signal. */
import { ConfigurationError } from './config/errors.ts';
import { configure, type Started } from './config/node.ts';
import { requestHistograms } from './server/histograms.ts';
import { makeLog } from './server/log.ts';
import { NodeProcess } from './server/node.ts';
import { PortError } from './server/ports.ts';
import { openStore } from './server/store.ts';
import { version } from './server/version.ts';

const exit = { failure: 1, wrongUse: 2 } as const;

if (process.argv.includes('--help')) {
  const { helpText } = await import('./config/help.ts');
  process.stdout.write(helpText());
} else {
  await run();
}

async function run(): Promise<void> {
  const { configuration, sources, rejected } = configured();
  const { node: name, budget, logLevel } = configuration;
  const log = makeLog({ level: logLevel, node: name });
  for (const problem of rejected) {
    log.error({ directory: configuration.configurationDirectory }, `setting not taken: ${problem}`);
  }
  if (budget.unusedBytes > 0) {
    log.warn(
      { unusedBytes: budget.unusedBytes },
      'the memory limit allows more data than one arena can hold (4 GiB); use more nodes instead',
    );
  }
  const die = (error: Error): never => {
    log.fatal({ err: error }, error.message);
    process.exit(exit.failure);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', (reason) => die(reason as Error));

  const kubernetesRequests = requestHistograms();
  const store = await openStore(configuration, {
    environment: process.env,
    log,
    kubernetesRequests,
  });
  const node = await NodeProcess.start({
    configuration,
    sources,
    store,
    kubernetesRequests,
    version,
    log,
    onFailure: die,
  }).catch((error: Error) => {
    if (error instanceof PortError) {
      return refuse(error.message, exit.failure);
    }
    return die(error);
  });
  stopOnSignal(node);
  const { incarnation } = node.identity;
  log.info(
    {
      incarnation,
      version,
      resp: configuration.respPort,
      grpc: configuration.grpcPort,
      metrics: node.metricsPort,
      threads: configuration.threads,
      budgetBytes: budget.budgetBytes,
      startMs: Math.round(performance.now()),
    },
    'listening',
  );

  function stopOnSignal(running: NodeProcess): void {
    let signals = 0;
    const stop = (signal: NodeJS.Signals) => {
      signals++;
      if (signals > 1) {
        log.warn({ signal }, 'second signal: ending at once');
        process.exit(exit.failure);
      }
      log.info({ signal }, 'stopping');
      void running.stop().then((clean) => {
        log[clean ? 'info' : 'warn']({ clean }, 'stopped');
        process.exit(0);
      });
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  }
}

function configured(): Started {
  try {
    return configure(process.env, process.argv.slice(2));
  } catch (error) {
    if (error instanceof ConfigurationError) {
      return refuse(error.message, exit.wrongUse);
    }
    throw error;
  }
}

/** For a person at a terminal, or who reads the last line of a pod that does not start. */
function refuse(message: string, code: number): never {
  process.stderr.write(`r_db: ${message}\n`);
  process.exit(code);
}
