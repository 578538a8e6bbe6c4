import type { V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import { objectNames, podSelector } from '../names.ts';
import type { KubernetesObject } from '../objects.ts';
import type { RDbCluster } from '../resource.ts';
import { owned } from './owned.ts';

/**
 * One node may be evicted at a time. `spare`: nodes that are not ready, hold no replica in sync and
 * whose shards are whole elsewhere; they must not use up the one.
 */
export function buildDisruptionBudget(cluster: RDbCluster, spare: number): KubernetesObject {
  const spec = {
    maxUnavailable: 1 + spare,
    unhealthyPodEvictionPolicy: 'AlwaysAllow',
    selector: { matchLabels: podSelector(cluster.metadata.name) },
  } satisfies V1PodDisruptionBudgetSpec;
  return owned(cluster, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    name: objectNames(cluster.metadata.name).disruptionBudget,
    component: 'node',
    body: { spec },
  });
}
