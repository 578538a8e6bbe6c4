/** What the cluster said, put into a folder for a person to read. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hosts, inState } from '../cluster/layout.ts';
import { outputBytesMax } from '../cluster/limits.ts';
import { testEnvironment } from './environment.ts';

const logLines = 2000;
const toolMs = 10_000;

/**
 * Writes `reports/<title>/`. Blocks, so that nothing is cleaned up before it has been seen. Never throws:
 * the test's own error is the one to see.
 */
export function collect(title: string): void {
  const { reports, layout, kind } = testEnvironment();
  const folder = join(reports, title.replace(/[^\w-]+/g, '-').slice(0, 120));
  mkdirSync(folder, { recursive: true });
  const keep = (file: string, ...args: readonly string[]) =>
    writeFileSync(join(folder, file), kubectlNow(args));
  const kinds = 'rdb,pods,statefulsets,services,leases,configmaps,poddisruptionbudgets';
  keep('objects.txt', 'get', kinds, '-A', '-o', 'wide');
  keep('clusters.yaml', 'get', 'rdb', '-A', '-o', 'yaml');
  keep('leases.yaml', 'get', 'leases', '-A', '-l', 'rdb.dev/cluster', '-o', 'yaml');
  keep('events.txt', 'get', 'events', '-A', '--sort-by=.lastTimestamp', '-o', 'wide');
  keep('pods.txt', 'describe', 'pods', '-A');
  const names = 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}';
  for (const line of kubectlNow(['get', 'pods', '-A', '-o', names]).split('\n')) {
    const [namespace, name, ...rest] = line.split(' ');
    if (namespace === undefined || name === undefined || rest.length > 0) continue;
    const args = ['logs', '-n', namespace, name, '--all-containers', `--tail=${logLines}`];
    keep(`${namespace}.${name}.log`, ...args);
    keep(`${namespace}.${name}.previous.log`, ...args, '--previous');
  }
  if (kind !== 'own') return;
  const servers = hosts.flatMap(({ name }) => [`kubelet-${name}`, `containerd-${name}`]);
  for (const server of [...servers, 'apiserver', 'controller-manager', 'scheduler']) {
    const lines = readFileSync(inState.log(layout, server), 'utf8').split('\n');
    writeFileSync(join(folder, `${server}.log`), lines.slice(-logLines).join('\n'));
  }
}

function kubectlNow(args: readonly string[]): string {
  const { kube, kubeconfig } = testEnvironment();
  const words = ['kubectl', '--kubeconfig', kubeconfig, ...args];
  const ran = spawnSync(kube, words, { timeout: toolMs, maxBuffer: outputBytesMax });
  return `${ran.stdout}${ran.stderr}`;
}
