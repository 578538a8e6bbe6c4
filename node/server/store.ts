/** The process' LeaseStore, as RDB_LEASES says, and the way of the data threads to it. */
import type { MessagePort } from 'node:worker_threads';
import { portChannel, serveLeases as serveChannel } from '@r-db/leases/channel.ts';
import type { LeaseStore } from '@r-db/leases/store.ts';
import type { Settings } from '../config/schema.ts';
import type { Histograms } from './histograms.ts';
import type { Logger } from './log.ts';

const socketPrefix = 'socket:';

/** Throws if this is no pod. Each kind is loaded only where it is used. */
export async function openStore(
  settings: Pick<Settings, 'leases' | 'namespace'>,
  options: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly log: Logger;
    /** Filled with the requests to the API server: labels verb, code. */
    readonly kubernetesRequests: Histograms;
  },
): Promise<LeaseStore> {
  const onError = (error: Error) => options.log.warn({ err: error }, 'the LeaseStore has trouble');
  if (settings.leases.startsWith(socketPrefix)) {
    const { socketStore } = await import('@r-db/leases/channel-socket.ts');
    return socketStore(settings.leases.slice(socketPrefix.length), { onError });
  }
  const [{ inClusterConnection }, { KubernetesClient }, { KubernetesLeases }] = await Promise.all([
    import('@r-db/kubernetes/in-cluster.ts'),
    import('@r-db/kubernetes/client.ts'),
    import('@r-db/leases/kubernetes.ts'),
  ]);
  const client = new KubernetesClient({
    connection: inClusterConnection(options.environment),
    onRequest: ({ verb, code, durationSeconds }) =>
      options.kubernetesRequests.observe({ verb, code }, durationSeconds),
  });
  return new KubernetesLeases({ client, namespace: settings.namespace, onError });
}

/** Lets a data thread use the process' store over a port. */
export function serveLeases(port: MessagePort, store: LeaseStore): AsyncDisposable {
  return serveChannel({ channel: portChannel(port), store });
}
