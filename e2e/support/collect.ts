/** What the cluster said, put into a folder for a person to read. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hosts, inState } from '../cluster/layout.ts';
import { testEnvironment } from './environment.ts';
import { getItems, tryKubectl } from './kubectl.ts';
import type { Pod } from './pods.ts';

const logLines = 2000;
const deadline = '--request-timeout=10s';

/** Writes `reports/<title>/`. Never throws: the test's own error is the one to see. */
export async function collect(title: string): Promise<void> {
  const { reports, layout, kind } = testEnvironment();
  const folder = join(reports, title.replace(/[^\w-]+/g, '-').slice(0, 120));
  mkdirSync(folder, { recursive: true });
  const keep = async (file: string, ...args: readonly string[]) => {
    const { stdout, stderr } = await tryKubectl([...args, deadline]);
    writeFileSync(join(folder, file), stdout + stderr);
  };
  const kinds = 'rdb,pods,statefulsets,services,leases,configmaps,poddisruptionbudgets';
  await keep('objects.txt', 'get', kinds, '-A', '-o', 'wide');
  await keep('clusters.yaml', 'get', 'rdb', '-A', '-o', 'yaml');
  await keep('leases.yaml', 'get', 'leases', '-A', '-l', 'rdb.dev/cluster', '-o', 'yaml');
  await keep('events.txt', 'get', 'events', '-A', '--sort-by=.lastTimestamp', '-o', 'wide');
  await keep('pods.txt', 'describe', 'pods', '-A');
  for (const { metadata } of await getItems<Pod>('pods', '-A', deadline).catch(() => [])) {
    const { namespace, name } = metadata;
    const args = ['logs', '-n', namespace, name, '--all-containers', `--tail=${logLines}`];
    await keep(`${namespace}.${name}.log`, ...args);
    await keep(`${namespace}.${name}.previous.log`, ...args, '--previous');
  }
  if (kind !== 'own') return;
  const servers = hosts.flatMap(({ name }) => [`kubelet-${name}`, `containerd-${name}`]);
  for (const server of [...servers, 'apiserver', 'controller-manager', 'scheduler']) {
    const lines = readFileSync(inState.log(layout, server), 'utf8').split('\n');
    writeFileSync(join(folder, `${server}.log`), lines.slice(-logLines).join('\n'));
  }
}
