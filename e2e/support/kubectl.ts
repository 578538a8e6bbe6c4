/** kubectl and helm as the tests use them: by their own words, answers parsed. */
import { attempt, type Ran, run } from '../cluster/run.ts';
import { testEnvironment } from './environment.ts';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
    readonly creationTimestamp?: string;
    readonly ownerReferences?: readonly { readonly uid: string; readonly name: string }[];
  };
  readonly [field: string]: unknown;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Runs kubectl; throws CommandFailed with what it said. */
export function kubectl(...args: readonly string[]): Promise<string> {
  return run(words(args));
}

/** Runs kubectl and tells how it ended. */
export function tryKubectl(args: readonly string[], input?: string): Promise<Ran> {
  return attempt(words(args), input === undefined ? {} : { input });
}

/** `kubectl get ARGS -o json`. */
export async function getJson<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T;
}

/** The items of a `kubectl get` list. */
export async function getItems<T = KubernetesObject>(...args: readonly string[]): Promise<T[]> {
  return (await getJson<{ items: T[] }>(...args)).items;
}

/** Applies objects (JSON is YAML) as a user would. */
export async function apply(...objects: readonly unknown[]): Promise<string> {
  const input = objects.map((object) => JSON.stringify(object)).join('\n---\n');
  return await run(words(['apply', '-f', '-']), { input });
}

/** `kubectl wait`: until a condition holds. Throws CommandFailed at the deadline. */
export async function wait(condition: string, seconds: number, ...args: readonly string[]) {
  await kubectl('wait', `--for=${condition}`, `--timeout=${seconds}s`, ...args);
}

export function helm(...args: readonly string[]): Promise<string> {
  return run([testEnvironment().helm, ...args]);
}

/** A namespace that admits only pods under the `restricted` standard. Idempotent. */
export async function makeNamespace(name: string): Promise<void> {
  await apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        'rdb.dev/test': 'e2e',
        'pod-security.kubernetes.io/enforce': 'restricted',
        'pod-security.kubernetes.io/enforce-version': 'latest',
      },
    },
  });
  await wait('create', 30, '-n', name, 'serviceaccount/default');
}

export async function deleteNamespace(name: string, deadlineMs = 60_000): Promise<void> {
  const timeout = `--timeout=${deadlineMs / 1000}s`;
  await kubectl('delete', 'namespace', name, '--ignore-not-found', timeout);
}

function words(args: readonly string[]): readonly string[] {
  const { kube, kubeconfig } = testEnvironment();
  return [kube, 'kubectl', '--kubeconfig', kubeconfig, ...args];
}
