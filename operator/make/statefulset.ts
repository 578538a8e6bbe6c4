import type { V1StatefulSetSpec } from '@kubernetes/client-node';
import { annotations, objectNames, podSelector } from '../names.ts';
import type { KubernetesObject } from '../objects.ts';
import type { RDbCluster } from '../resource.ts';
import { owned } from './owned.ts';
import type { PodTemplate } from './template.ts';

/** Pods start together; the operator alone replaces them, one at a time. */
export function buildStatefulSet(
  cluster: RDbCluster,
  template: PodTemplate,
  seed: string,
): KubernetesObject {
  const name = cluster.metadata.name;
  const names = objectNames(name);
  const spec = {
    replicas: cluster.spec.nodes,
    serviceName: names.nodeService,
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'OnDelete' },
    revisionHistoryLimit: 2,
    selector: { matchLabels: podSelector(name) },
    template: { metadata: template.metadata, spec: template.spec },
  };
  spec satisfies Omit<V1StatefulSetSpec, 'template'>;
  return owned(cluster, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    name: names.statefulSet,
    component: 'node',
    annotations: { [annotations.templateHash]: template.hash, [annotations.hashSeed]: seed },
    body: { spec },
  });
}
