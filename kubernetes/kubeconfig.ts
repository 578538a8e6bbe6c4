/**
 * The connection that a kubeconfig describes.
 *
 * `KubeConfig` of @kubernetes/client-node reads files, tokens and exec plugins. Its agents are not
 * used where there is no proxy, since they open a TLS connection for every request.
 */
import { Agent as HttpAgent } from 'node:http';
import type { AgentOptions, RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { AgentPool, type Connection } from './connection.ts';

const TLS_FIELDS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'];

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

function connectionOf(config: KubeConfig): Connection {
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw new Error(`kubeconfig: context "${config.getCurrentContext()}" names no cluster`);
  }
  const server = new URL(cluster.server);
  const pool = new AgentPool(server);
  return {
    server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
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
      const agent = proxied ? (options.agent as HttpAgent) : pool.agent(tlsOf(options));
      return { headers, agent };
    },
    close: () => pool.close(),
  };
}

function tlsOf(options: RequestOptions): AgentOptions {
  return Object.fromEntries(
    TLS_FIELDS.map((field) => [field, options[field as keyof RequestOptions]] as const).filter(
      ([, value]) => value !== undefined && value !== null,
    ),
  );
}
