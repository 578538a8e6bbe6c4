/** What every object of a cluster has in common: labels, owner, the hash of what was written. */
import { hashOf, type Json } from '../json.ts';
import { annotations, ownedLabels } from '../names.ts';
import type { KubernetesObject, OwnerReference } from '../objects.ts';
import { KIND, type RDbCluster } from '../resource.ts';

export interface Parts {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly component: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Everything beside apiVersion, kind and metadata. */
  readonly body: object;
}

export function owned(cluster: RDbCluster, parts: Parts): KubernetesObject {
  const labels = { ...ownedLabels(cluster.metadata.name, parts.component), ...parts.labels };
  const body = JSON.parse(JSON.stringify(parts.body)) as Json;
  const appliedHash = hashOf({ labels, annotations: parts.annotations ?? {}, body });
  return {
    apiVersion: parts.apiVersion,
    kind: parts.kind,
    metadata: {
      name: parts.name,
      namespace: cluster.metadata.namespace,
      labels,
      annotations: { ...parts.annotations, [annotations.appliedHash]: appliedHash },
      ownerReferences: [ownerReference(cluster)],
    },
    ...(body as object),
  };
}

export function ownerReference(cluster: RDbCluster): OwnerReference {
  return {
    apiVersion: cluster.apiVersion,
    kind: KIND,
    name: cluster.metadata.name,
    uid: cluster.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
