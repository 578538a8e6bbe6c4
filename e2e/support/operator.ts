/** The operator, installed once for all tests as a user would: `helm install rdb charts/rdb`. */
import { join } from 'node:path';
import { productName } from '../image/product.ts';
import { testEnvironment } from './environment.ts';
import { getItems, helm, makeNamespace } from './kubectl.ts';
import type { Pod } from './pods.ts';

export const operatorNamespace = 'rdb-system';
export const release = 'rdb';
export const operatorLabels = 'app.kubernetes.io/component=operator';

let installed: Promise<void> | undefined;

/** Resolves once the operator serves. Idempotent: one that is there is upgraded to today's chart. */
export function requireOperator(): Promise<void> {
  installed ??= installOperator();
  return installed;
}

/** Its pods, those that are ending left out. */
export async function operatorPods(): Promise<readonly Pod[]> {
  const pods = await getItems<Pod>('pods', '-n', operatorNamespace, '-l', operatorLabels);
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** The name that its requests have in the API server's eyes. */
export async function operatorUser(): Promise<string> {
  const [pod] = await operatorPods();
  if (pod === undefined) throw new Error('the operator has no pod');
  return serviceAccountUser(pod);
}

export function serviceAccountUser({ metadata, spec }: Pod): string {
  return `system:serviceaccount:${metadata.namespace}:${spec.serviceAccountName}`;
}

async function installOperator(): Promise<void> {
  const { layout, image, imageId } = testEnvironment();
  await makeNamespace(operatorNamespace); // which admits none but restricted pods
  await helm(
    ...['upgrade', '--install', release, join(layout.checkout, 'charts', 'rdb')],
    ...['--namespace', operatorNamespace, '--wait', '--timeout', '90s', '--take-ownership'],
    // The same tag may be another image than that of an earlier run.
    ...['--set-string', `podAnnotations.e2e-image=${imageId}`],
    ...(image === productName(layout.checkout) ? [] : imageValues(image)),
  );
}

function imageValues(image: string): readonly string[] {
  const [, repository = image, tag = 'latest'] = /^(.*?)(?::([^:/]+))?$/.exec(image) ?? [];
  return ['--set', `image.repository=${repository}`, '--set', `image.tag=${tag}`];
}
