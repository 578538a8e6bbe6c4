/** etcd, API server, controller manager, scheduler, CoreDNS: all in the namespace `rdb-cp`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  apiServerPort,
  controlPlane,
  hosts,
  inState,
  inside,
  type Layout,
  podCidr,
  serviceCidr,
} from './layout.ts';
import { apiServerReadyMs, nodesReadyMs } from './limits.ts';
import { startServer } from './processes.ts';
import { attempt, run, until } from './run.ts';

const domain = 'cluster.local';
const readyPort = 8181;

/**
 * A control plane has machines of its own. Here pods, kubelets and clients want the same processors: an update of a Lease
 * took the API server up to half a second when a container was made meanwhile. Where the kernel does not allow it,
 * `nice` says so in the log and goes on.
 */
const aheadOfOthers = ['nice', '-n', '-10'];

/** Resolves once the API server serves. */
export async function startControlPlane(layout: Layout, kube: string): Promise<void> {
  const keys = inState.keys(layout);
  const start = (name: string, ...args: readonly string[]) =>
    startServer(layout, name, controlPlane.namespace, [kube, ...args]);
  const startAhead = (name: string, ...args: readonly string[]) =>
    startServer(layout, name, controlPlane.namespace, [...aheadOfOthers, kube, ...args]);
  writeConfiguration(layout);
  startAhead(
    'etcd',
    ...['etcd', '--data-dir', join(layout.state, 'etcd'), '--log-level', 'warn'],
    // It lives no longer than the cluster: nothing is lost if the machine stops.
    '--unsafe-no-fsync',
    ...['--listen-client-urls', 'http://127.0.0.1:2379'],
    ...['--advertise-client-urls', 'http://127.0.0.1:2379'],
    ...['--listen-peer-urls', 'http://127.0.0.1:2380'],
  );
  startAhead(
    'apiserver',
    ...['kube-apiserver', '--etcd-servers', 'http://127.0.0.1:2379', '--cert-dir', keys],
    ...['--advertise-address', controlPlane.address, '--bind-address', '0.0.0.0'],
    ...['--secure-port', `${apiServerPort}`, '--service-cluster-ip-range', serviceCidr],
    ...['--authorization-mode', 'Node,RBAC', '--enable-admission-plugins', 'NodeRestriction'],
    ...['--allow-privileged=true', '--token-auth-file', join(keys, 'tokens.csv')],
    ...['--service-account-issuer', 'https://kubernetes.default.svc'],
    ...['--service-account-key-file', join(keys, 'sa.pub')],
    ...['--service-account-signing-key-file', join(keys, 'sa.key')],
    ...['--kubelet-preferred-address-types', 'InternalIP'],
    ...['--kubelet-client-certificate', join(keys, 'kubelet-client.crt')],
    ...['--kubelet-client-key', join(keys, 'kubelet-client.key')],
    ...['--audit-policy-file', join(layout.state, 'audit-policy.yaml')],
    ...['--audit-log-path', inState.audit(layout)],
  );
  const ready = [...kubectl(layout, kube), 'get', '--raw', '/readyz'];
  await until(
    `the API server is ready (${inState.log(layout, 'apiserver')})`,
    apiServerReadyMs,
    async () => (await attempt(ready)).code === 0,
  );
  start(
    'controller-manager',
    ...[
      'kube-controller-manager',
      '--kubeconfig',
      inState.kubeconfig(layout, 'controller-manager'),
    ],
    ...['--leader-elect=false', '--use-service-account-credentials'],
    ...['--service-account-private-key-file', join(keys, 'sa.key')],
    ...['--root-ca-file', join(keys, 'apiserver.crt')],
    ...['--cluster-cidr', podCidr, '--allocate-node-cidrs=false', '--bind-address', '127.0.0.1'],
    ...['--controllers', '*,-bootstrapsigner,-tokencleaner'],
    // A lost node shows within the time of a test.
    ...['--node-monitor-grace-period', '20s'],
  );
  start(
    'scheduler',
    ...['kube-scheduler', '--kubeconfig', inState.kubeconfig(layout, 'scheduler')],
    ...['--leader-elect=false', '--bind-address', '127.0.0.1'],
  );
  startAhead('coredns', 'coredns', '-conf', join(layout.state, 'Corefile'));
}

/** Resolves once all nodes are Ready, names resolve and pods may be made. */
export async function controlPlaneReady(layout: Layout, kube: string): Promise<void> {
  const wait = (...args: readonly string[]) =>
    run([...kubectl(layout, kube), 'wait', `--timeout=${nodesReadyMs / 1000}s`, ...args]);
  const node = async (name: string) => {
    await wait('--for=create', name);
    await wait('--for=condition=Ready', name);
  };
  await Promise.all([
    ...hosts.map((host) => node(`node/${host.name}`)),
    wait('--for=create', '--namespace=default', 'serviceaccount/default'),
    run([...inside(controlPlane.namespace), process.execPath, '-e', awaitDns()]),
  ]);
}

/** The words before the arguments of kubectl. */
export function kubectl(layout: Layout, kube: string): readonly string[] {
  const config = inState.kubeconfig(layout, 'admin');
  return [...inside(controlPlane.namespace), kube, 'kubectl', '--kubeconfig', config];
}

function writeConfiguration(layout: Layout): void {
  const nameserver = `nameserver ${controlPlane.address}\n`;
  const search = `search default.svc.${domain} svc.${domain} ${domain}\noptions ndots:5\n`;
  writeFileSync(inState.resolver(layout), nameserver);
  writeFileSync(inState.clientResolver(layout), nameserver + search);
  writeFileSync(
    join(layout.state, 'Corefile'),
    `.:53 {
  bind ${controlPlane.address}
  errors
  ready ${controlPlane.address}:${readyPort}
  kubernetes ${domain} in-addr.arpa {
    kubeconfig ${inState.kubeconfig(layout, 'coredns')}
    ttl 1
  }
}
`,
  );
  // Every write by somebody who is no part of Kubernetes: what shows that an idle operator is idle.
  writeFileSync(
    join(layout.state, 'audit-policy.yaml'),
    `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [get, list, watch]}
  - {level: None, userGroups: ["system:nodes", "system:masters", "system:serviceaccounts:kube-system"]}
  - {level: None, users: ["system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:apiserver"]}
  - {level: Metadata}
`,
  );
}

function awaitDns(): string {
  const url = `http://${controlPlane.address}:${readyPort}/ready`;
  return `
    const end = Date.now() + ${nodesReadyMs};
    for (;;) {
      const answer = await fetch('${url}').catch((error) => ({ ok: false, error }));
      if (answer.ok) break;
      if (Date.now() > end) throw new Error('CoreDNS does not answer at ${url}');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }`;
}
