/**
 * The connection of a pod, by its service account, as the kubelet puts it into every container.
 *
 * Not by @kubernetes/client-node: every node of a database would load all of it for the sake of three small files,
 * which takes 0.2 s of a processor at each start and 36 MB of memory.
 */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { AgentPool, type Connection } from './connection.ts';
import { SERVICE_ACCOUNT_MS } from './limits.ts';

interface ServiceAccount {
  readonly token: string;
  readonly ca: string;
}

export interface InClusterOptions {
  /** Where the kubelet puts `token`, `ca.crt` and `namespace`. */
  readonly folder?: string;
  readonly nowMs?: () => number;
}

/** Throws if we run in no pod, or in one without a service account. */
export function inClusterConnection(
  environment: Readonly<Record<string, string | undefined>>,
  {
    folder = '/var/run/secrets/kubernetes.io/serviceaccount',
    nowMs = () => performance.now(),
  }: InClusterOptions = {},
): Connection {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (!host) {
    throw new Error(
      'KUBERNETES_SERVICE_HOST is not set: this is no pod of a Kubernetes cluster (outside of one: --kubeconfig of the operator; for nodes "npm start")',
    );
  }
  const server = new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`);
  const pool = new AgentPool(server);
  let account = readAccount(folder);
  let readMs = nowMs();
  return {
    server,
    namespace: readFrom(folder, 'namespace'),
    async access() {
      if (nowMs() - readMs >= SERVICE_ACCOUNT_MS) {
        readMs = nowMs();
        account = readAgain(folder) ?? account;
      }
      const headers = { Authorization: `Bearer ${account.token}` };
      return { headers, agent: pool.agent({ ca: account.ca }) };
    },
    close: () => pool.close(),
  };
}

function readAccount(folder: string): ServiceAccount {
  return { token: readFrom(folder, 'token'), ca: readFrom(folder, 'ca.crt') };
}

/** Undefined if it can't be read now: the old token is valid for minutes more. */
function readAgain(folder: string): ServiceAccount | undefined {
  try {
    return readAccount(folder);
  } catch {
    return undefined;
  }
}

function readFrom(folder: string, name: string): string {
  const file = join(folder, name);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `${file} can't be read (${code}): the pod needs a service account, and automountServiceAccountToken`,
    );
  }
  if (text === '')
    throw new Error(`${file} is empty: it holds a part of the pod's service account`);
  return text;
}
