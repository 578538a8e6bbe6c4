/** The operator's process: settings, clocks, sockets, signals. */
import { randomBytes } from 'node:crypto';
import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import type { Connection } from '@r-db/kubernetes/connection.ts';
import { inClusterConnection } from '@r-db/kubernetes/in-cluster.ts';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { destination, pino } from 'pino';
import { type Configuration, configure, help } from './config.ts';
import { ConfigurationError, messageOf } from './errors.ts';
import { serveHttp } from './http.ts';
import { limits } from './limits.ts';
import { Operator } from './operator.ts';

const argv = process.argv.slice(2);
if (argv.includes('--help')) {
  process.stdout.write(help());
} else {
  await run(settingsOrExit());
}

function settingsOrExit(): Configuration {
  try {
    return configure(process.env, argv);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

async function run(configuration: Configuration): Promise<void> {
  const log = pino(
    {
      level: configuration.logLevel,
      base: { operator: configuration.identity },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    // Synchronous: what was said last before a crash is what one wants to read.
    destination({ fd: 1, sync: true }),
  );
  const connection = await connectionBy(configuration.kubeconfig).catch((error: unknown) => {
    log.fatal({ error: messageOf(error) }, 'there is no way to the API server');
    process.exit(1);
  });
  const operator = new Operator({
    ...configuration,
    log,
    scheduler: realScheduler,
    client: (onRequest) => new KubernetesClient({ connection, onRequest }),
    nowMs: () => Date.now(),
    random: Math.random,
    randomSeed: () => randomBytes(8).toString('hex'),
    onLost(reason) {
      log.error({ reason }, 'leadership lost');
      process.exit(1);
    },
  });
  const http = await serveHttp({
    port: configuration.metricsPort,
    metrics: async () => ({
      contentType: operator.metrics.registry.contentType,
      body: await operator.metrics.registry.metrics(),
    }),
    unready: () => operator.unready(),
  }).catch((error: unknown) => {
    log.fatal({ error: messageOf(error) }, `port ${configuration.metricsPort} can't be taken`);
    process.exit(1);
  });
  operator.start();
  log.info({ port: http.port, namespaces: configuration.watchNamespaces }, 'started');
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), limits.stopMs).unref();
    void operator[Symbol.asyncDispose]()
      .then(() => http[Symbol.asyncDispose]())
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'stopping'))
      .finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** By a kubeconfig, or as a pod. What reads kubeconfigs is large, and loaded only where there is one. */
async function connectionBy(kubeconfig: string | undefined): Promise<Connection> {
  if (kubeconfig === undefined) return inClusterConnection(process.env);
  const { kubeconfigConnection } = await import('@r-db/kubernetes/kubeconfig.ts');
  return kubeconfigConnection(kubeconfig);
}
