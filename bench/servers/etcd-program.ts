/** Where etcd comes from: a program that the user names, or the one that the tests on Kubernetes build once. */
import { resolve } from 'node:path';
import { buildKubernetes } from '@r-db/e2e/cluster/build.ts';
import { layoutFrom } from '@r-db/e2e/cluster/layout.ts';
import type { EtcdProgram } from './etcd.ts';

const checkout = resolve(import.meta.dirname, '../..');

export async function findEtcd(
  named: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<EtcdProgram> {
  if (named !== undefined) return { command: named, argv: [] };
  const { kube } = await buildKubernetes(layoutFrom(environment, checkout), environment);
  return { command: kube, argv: ['etcd'] };
}
