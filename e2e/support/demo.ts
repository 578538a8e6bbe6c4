/** The cluster of examples/demo.yaml, made once for all tests that only use it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { testEnvironment } from './environment.ts';
import { apply, deleteNamespace, getItems, kubectl, makeNamespace, wait } from './kubectl.ts';
import { requireOperator } from './operator.ts';
import type { Pod } from './pods.ts';

export const demo = { namespace: 'e2e-demo', name: 'demo', nodes: 3 } as const;

/** Seconds from `kubectl apply` to `kubectl wait` returning. */
export const readyWithinSeconds = 30;

let made: Promise<number> | undefined;

/** Resolves once the cluster is Ready, to the seconds that it took. Idempotent. */
export function requireDemo(): Promise<number> {
  made ??= makeDemo();
  return made;
}

/** Its own spec, to make more clusters of. */
export function demoObject(): { spec: Record<string, unknown> } & Record<string, unknown> {
  const file = join(testEnvironment().layout.checkout, 'examples', 'demo.yaml');
  const documents = parseAllDocuments(readFileSync(file, 'utf8')).map((each) => each.toJS());
  const found = documents.find(({ kind }) => kind === 'RDbCluster');
  if (found === undefined) throw new Error(`${file} has no RDbCluster`);
  return found;
}

/** Makes a cluster and waits until it is Ready; returns the seconds that it took. */
export async function makeCluster(
  namespace: string,
  name: string,
  spec: object,
  seconds: number = readyWithinSeconds,
): Promise<number> {
  const begin = performance.now();
  const object = demoObject();
  await apply({ ...object, metadata: { name, namespace }, spec: { ...object.spec, ...spec } });
  await wait('condition=Ready', seconds, '-n', namespace, `rdb/${name}`);
  return (performance.now() - begin) / 1000;
}

/** The pods of a cluster's nodes, in the order of their ordinals. */
export async function nodePods(namespace: string, cluster: string): Promise<readonly Pod[]> {
  const pods = await getItems<Pod>('pods', '-n', namespace, '-l', `rdb.dev/cluster=${cluster}`);
  return pods.sort((left, right) => left.metadata.name.localeCompare(right.metadata.name));
}

/** The stable name of a node within the cluster's network. */
export function nodeHost(namespace: string, cluster: string, ordinal: number): string {
  return `${cluster}-${ordinal}.${cluster}-nodes.${namespace}.svc.cluster.local`;
}

async function makeDemo(): Promise<number> {
  await requireOperator();
  await deleteNamespace(demo.namespace); // of an earlier run, if the cluster was kept
  await makeNamespace(demo.namespace);
  const file = join(testEnvironment().layout.checkout, 'examples', 'demo.yaml');
  const begin = performance.now();
  await kubectl('apply', '-n', demo.namespace, '-f', file);
  await wait('condition=Ready', readyWithinSeconds, '-n', demo.namespace, `rdb/${demo.name}`);
  return (performance.now() - begin) / 1000;
}
