/**
 * Where the API server is and who we are to it: from a kubeconfig file or from inside a pod.
 *
 * `KubeConfig` of @kubernetes/client-node reads files, tokens and exec plugins. Its agents are not
 * used where there is no proxy, since they open a TLS connection for every request.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { CONNECTIONS_IDLE_MAX, CONNECTIONS_MAX, KEEP_ALIVE_PROBE_MS } from './limits.ts';

export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: HttpAgent;
}

export interface Connection {
  readonly server: URL;
  /** Of the kubeconfig's context or the pod; undefined if none is named. */
  readonly namespace: string | undefined;
  /** Asked before each request: tokens and certificates are renewed while we run. */
  access(): Promise<Access>;
  close(): void;
}

const POOL = {
  keepAlive: true,
  keepAliveMsecs: KEEP_ALIVE_PROBE_MS,
  maxSockets: CONNECTIONS_MAX,
  maxFreeSockets: CONNECTIONS_IDLE_MAX,
  scheduling: 'lifo',
} as const;

const TLS_FIELDS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'];

/** The service account of the pod that we run in. Throws if we run in none. */
export function inClusterConnection(
  environment: Readonly<Record<string, string | undefined>>,
): Connection {
  if (!environment['KUBERNETES_SERVICE_HOST']) {
    throw new Error(
      'KUBERNETES_SERVICE_HOST is not set: this is no pod of a Kubernetes cluster; name a kubeconfig',
    );
  }
  const config = new KubeConfig();
  config.loadFromCluster();
  return connectionOf(config);
}

/** Throws if the file cannot be read or its context names no cluster. */
export function kubeconfigConnection(file: string, context?: string): Connection {
  const config = new KubeConfig();
  config.loadFromFile(file);
  if (context !== undefined) config.setCurrentContext(context);
  return connectionOf(config);
}

/** The text of a kubeconfig. */
export function kubeconfigTextConnection(text: string): Connection {
  const config = new KubeConfig();
  config.loadFromString(text);
  return connectionOf(config);
}

export function connectionOf(config: KubeConfig): Connection {
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw new Error(`kubeconfig: context "${config.getCurrentContext()}" names no cluster`);
  }
  const server = new URL(cluster.server);
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace;
  let pool: { readonly key: string; readonly agent: HttpAgent } | undefined;

  /** A new pool when the certificates have changed. */
  function agentOf(options: RequestOptions): HttpAgent {
    const tls = Object.fromEntries(
      TLS_FIELDS.map((field) => [field, options[field as keyof RequestOptions]] as const).filter(
        ([, value]) => value !== undefined && value !== null,
      ),
    );
    const key = JSON.stringify(tls);
    if (pool?.key === key) return pool.agent;
    pool?.agent.destroy();
    const agent =
      server.protocol === 'http:' ? new HttpAgent(POOL) : new HttpsAgent({ ...POOL, ...tls });
    pool = { key, agent };
    return agent;
  }

  return {
    server,
    namespace,
    async access() {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(options.headers ?? {})) {
        if (typeof value === 'string') headers[name] = value;
      }
      if (options.auth)
        headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
      const proxied = cluster.proxyUrl !== undefined && options.agent instanceof HttpAgent;
      const agent = proxied ? (options.agent as HttpAgent) : agentOf(options);
      return { headers, agent };
    },
    close() {
      pool?.agent.destroy();
    },
  };
}
