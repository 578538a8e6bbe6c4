/** What pods may do: read and write their cluster's Leases, which are there before they are. */
import type { V1PolicyRule } from '@kubernetes/client-node';
import { nodeLeaseName, shardLeaseName } from '@r-db/proto/leases.ts';
import { objectNames } from '../names.ts';
import type { KubernetesObject } from '../objects.ts';
import type { RDbCluster } from '../resource.ts';
import { owned } from './owned.ts';

export function buildServiceAccount(cluster: RDbCluster): KubernetesObject {
  return owned(cluster, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    name: objectNames(cluster.metadata.name).serviceAccount,
    component: 'node',
    body: {},
  });
}

/** RBAC can't limit list and watch by name; get and update it can. */
export function buildRole(cluster: RDbCluster): KubernetesObject {
  const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };
  const rules: V1PolicyRule[] = [
    { ...leases, verbs: ['get', 'update'], resourceNames: leaseNames(cluster) },
    { ...leases, verbs: ['list', 'watch'] },
  ];
  return owned(cluster, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    name: objectNames(cluster.metadata.name).role,
    component: 'node',
    body: { rules },
  });
}

export function buildRoleBinding(cluster: RDbCluster): KubernetesObject {
  const names = objectNames(cluster.metadata.name);
  return owned(cluster, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    name: names.roleBinding,
    component: 'node',
    body: {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: names.role },
      subjects: [
        {
          kind: 'ServiceAccount',
          name: names.serviceAccount,
          namespace: cluster.metadata.namespace,
        },
      ],
    },
  });
}

export function leaseNames(cluster: RDbCluster): string[] {
  const { name } = cluster.metadata;
  const { nodes, shards } = cluster.spec;
  return [
    ...Array.from({ length: nodes }, (_, ordinal) => nodeLeaseName(name, ordinal)),
    ...Array.from({ length: shards }, (_, shard) => shardLeaseName(name, shard)),
  ];
}
