/** All that is known of one cluster, read once at the start of a reconcile. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { leaseOf } from '@r-db/leases/raw.ts';
import type { Lease } from '@r-db/leases/store.ts';
import {
  type NodeLeaseContent,
  nodeOfLeaseName,
  parseNodeLease,
  parseShardLease,
  type ShardLeaseContent,
  shardOfLeaseName,
} from '@r-db/proto/leases.ts';
import type { View } from './api.ts';
import { nodeName, objectNames, ordinalOf } from './names.ts';
import { controllerOf, type KubernetesObject, keyOf, type Pod } from './objects.ts';
import type { RDbCluster } from './resource.ts';

export interface NodeLease {
  readonly lease: Lease;
  /** Undefined if nobody can read it. */
  readonly content: NodeLeaseContent | undefined;
}

export interface ShardLease {
  readonly lease: Lease;
  readonly content: ShardLeaseContent | undefined;
}

export interface ObservedNode {
  readonly ordinal: number;
  readonly name: string;
  readonly pod: Pod | undefined;
  readonly lease: NodeLease | undefined;
}

export interface Observed {
  readonly cluster: RDbCluster;
  readonly statefulSet: KubernetesObject | undefined;
  readonly configMap: KubernetesObject | undefined;
  /** Index: ordinal. */
  readonly nodes: readonly ObservedNode[];
  /** By shard; those that are missing are not in it. */
  readonly shards: ReadonlyMap<number, ShardLease>;
  /** What nobody can read, a sentence for each. */
  readonly unreadable: readonly string[];
}

export async function observe(view: View, cluster: RDbCluster): Promise<Observed> {
  const key = keyOf(cluster);
  const { namespace } = key;
  const names = objectNames(key.name);
  const [statefulSet, configMap, pods, leases] = await Promise.all([
    view.get(RESOURCES.StatefulSet, { namespace, name: names.statefulSet }),
    view.get(RESOURCES.ConfigMap, { namespace, name: names.configMap }),
    view.ofCluster(RESOURCES.Pod, key),
    view.ofCluster(RESOURCES.Lease, key),
  ]);
  const unreadable: string[] = [];
  const found = readLeases(cluster, leases, unreadable);
  const podOf = new Map(pods.map((pod) => [ordinalOf(key.name, pod.metadata.name), pod as Pod]));
  return {
    cluster,
    statefulSet: isOwn(cluster, statefulSet) ? statefulSet : undefined,
    configMap: isOwn(cluster, configMap) ? configMap : undefined,
    nodes: Array.from({ length: cluster.spec.nodes }, (_, ordinal) => ({
      ordinal,
      name: nodeName(key.name, ordinal),
      pod: podOf.get(ordinal),
      lease: found.nodes.get(ordinal),
    })),
    shards: found.shards,
    unreadable,
  };
}

/** Whether an object belongs to this cluster, and not to another one of the same name. */
export function isOwn(cluster: RDbCluster, object: KubernetesObject | undefined): boolean {
  return object !== undefined && controllerOf(object)?.uid === cluster.metadata.uid;
}

function readLeases(
  cluster: RDbCluster,
  objects: readonly KubernetesObject[],
  unreadable: string[],
) {
  const nodes = new Map<number, NodeLease>();
  const shards = new Map<number, ShardLease>();
  for (const object of objects) {
    if (!isOwn(cluster, object)) continue;
    const { name } = object.metadata;
    const ordinal = nodeOfLeaseName(cluster.metadata.name, name);
    const shard = shardOfLeaseName(cluster.metadata.name, name);
    const lease = leaseOf(object);
    if (ordinal !== undefined) {
      const parsed = parseNodeLease(lease);
      if (!parsed.ok) unreadable.push(`Lease ${name}: ${parsed.error.message}`);
      nodes.set(ordinal, { lease, content: parsed.ok ? parsed.content : undefined });
    } else if (shard !== undefined && shard < cluster.spec.shards) {
      const parsed = parseShardLease(lease);
      if (!parsed.ok) unreadable.push(`Lease ${name}: ${parsed.error.message}`);
      shards.set(shard, { lease, content: parsed.ok ? parsed.content : undefined });
    }
  }
  return { nodes, shards };
}
