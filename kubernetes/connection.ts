/** Where the API server is and who we are to it. */
import { Agent as HttpAgent } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent } from 'node:https';
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

/** The TCP or TLS connections to one server: a new pool when the certificates have changed. */
export class AgentPool {
  readonly #server: URL;
  #pool: { readonly key: string; readonly agent: HttpAgent } | undefined;

  constructor(server: URL) {
    this.#server = server;
  }

  agent(tls: AgentOptions): HttpAgent {
    const key = JSON.stringify(tls);
    if (this.#pool?.key === key) return this.#pool.agent;
    this.close();
    const agent =
      this.#server.protocol === 'http:' ? new HttpAgent(POOL) : new HttpsAgent({ ...POOL, ...tls });
    this.#pool = { key, agent };
    return agent;
  }

  close(): void {
    this.#pool?.agent.destroy();
  }
}
