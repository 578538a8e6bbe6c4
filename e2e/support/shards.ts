/** Who leads which shard and who is in sync, as the Leases say. */
import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { kubeconfigConnection } from '@r-db/kubernetes/kubeconfig.ts';
import { type KubernetesObject, RESOURCES } from '@r-db/kubernetes/resources.ts';
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { testEnvironment } from './environment.ts';

export interface Shard {
  readonly shard: number;
  /** `demo-0/ab12`; undefined: nobody. */
  readonly leader: string | undefined;
  /** Incarnations. */
  readonly inSync: readonly string[];
  /** Names of nodes. */
  readonly assignment: readonly string[];
  readonly epoch: number;
  readonly generation: number;
}

interface Lease extends KubernetesObject {
  readonly spec?: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
}

let client: KubernetesClient | undefined;

/** By one request: kubectl takes a tenth of a second of the machine that is measured. */
export async function shardsOf(namespace: string, cluster: string): Promise<readonly Shard[]> {
  return (await leases(namespace, cluster, 'Shard'))
    .map(({ metadata, spec }): Shard => {
      const annotations = metadata?.annotations ?? {};
      return {
        shard: Number(/-shard-(\d+)$/.exec(metadata?.name ?? '')?.[1]),
        leader: spec?.holderIdentity || undefined,
        inSync: listOf(annotations[ANNOTATION.inSync]),
        assignment: listOf(annotations[ANNOTATION.assignment]),
        epoch: spec?.leaseTransitions ?? 0,
        generation: Number(annotations[ANNOTATION.generation]),
      };
    })
    .sort((a, b) => a.shard - b.shard);
}

/** The incarnations of a cluster's nodes that run now, as their own Leases name them. */
export async function incarnationsOf(
  namespace: string,
  cluster: string,
): Promise<ReadonlySet<string>> {
  const found = await leases(namespace, cluster, 'Node');
  return new Set(found.flatMap(({ spec }) => spec?.holderIdentity || []));
}

/** `demo-0` of `demo-0/ab12`. */
export function nodeOf(member: string | undefined): string {
  return member?.split('/')[0] ?? '';
}

/** How many shards a node leads. */
export const ledBy = (shards: readonly Shard[], node: string): number =>
  shards.filter(({ leader }) => nodeOf(leader) === node).length;

/** Reads the Lease of the first shard. Throws KubernetesError unless it comes within so many milliseconds. */
export async function readFirstShard(
  namespace: string,
  cluster: string,
  timeoutMs: number,
): Promise<void> {
  await api().get(RESOURCES.Lease, { namespace, name: `${cluster}-shard-0` }, { timeoutMs });
}

async function leases(namespace: string, cluster: string, kind: string): Promise<readonly Lease[]> {
  const labelSelector = `rdb.dev/cluster=${cluster},rdb.dev/kind=${kind}`;
  return (await api().list<Lease>(RESOURCES.Lease, { namespace, labelSelector })).items;
}

function api(): KubernetesClient {
  client ??= new KubernetesClient({
    connection: kubeconfigConnection(testEnvironment().kubeconfig),
  });
  return client;
}

function listOf(text: string | undefined): readonly string[] {
  return text === undefined || text === '' ? [] : text.split(',');
}
