/** The ConfigMap `<cluster>-config`: the hash seed, and settings that running nodes reload. */
import { HASH_SEED, objectNames } from '../names.ts';
import type { KubernetesObject } from '../objects.ts';
import type { Resolved } from '../resolve.ts';
import type { RDbCluster, RDbClusterSpec } from '../resource.ts';
import { owned } from './owned.ts';

export const MIN_IN_SYNC = 'RDB_MIN_IN_SYNC_REPLICAS';

/** What of a spec goes into settings that nodes reload. */
export type Reloadable = Pick<Resolved, 'totalLoss' | 'minInSyncReplicas'>;

/** Settings that nodes reload, by the name of the node's setting; each is a file in the pods. */
export function settingFiles(spec: RDbClusterSpec, resolved: Reloadable): Record<string, string> {
  return {
    [MIN_IN_SYNC]: String(resolved.minInSyncReplicas),
    RDB_PROMISE_MILLISECONDS: String(spec.failover.promiseMilliseconds),
    RDB_TOTAL_LOSS: resolved.totalLoss,
    RDB_WHEN_FULL: spec.memory.whenFull,
  };
}

/** `seed`: 16 hexadecimal digits, made once for a cluster and then kept. */
export function buildConfigMap(
  cluster: RDbCluster,
  resolved: Reloadable,
  seed: string,
): KubernetesObject {
  return owned(cluster, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: objectNames(cluster.metadata.name).configMap,
    component: 'config',
    body: { data: { [HASH_SEED]: seed, ...settingFiles(cluster.spec, resolved) } },
  });
}

/** What a ConfigMap says of a setting now. */
export function settingIn(
  configMap: KubernetesObject | undefined,
  name: string,
): string | undefined {
  return configMap?.data?.[name];
}

/** The seed in a ConfigMap, if it is one. */
export function seedOf(configMap: KubernetesObject | undefined): string | undefined {
  const seed = configMap?.data?.[HASH_SEED];
  return seed !== undefined && /^[0-9a-f]{16}$/.test(seed) ? seed : undefined;
}
