import type { V1ServiceSpec } from '@kubernetes/client-node';
import { objectNames, podSelector, ports } from '../names.ts';
import type { KubernetesObject } from '../objects.ts';
import type { RDbCluster } from '../resource.ts';
import { owned } from './owned.ts';

/** `<cluster>`: for clients. Any ready node will do: nodes redirect to the right one. */
export function buildClientService(cluster: RDbCluster): KubernetesObject {
  const { service } = cluster.spec;
  const spec = {
    type: service.type,
    selector: podSelector(cluster.metadata.name),
    ipFamilyPolicy: service.ipFamilyPolicy,
    ...(service.ipFamilies === undefined ? {} : { ipFamilies: [...service.ipFamilies] }),
    ports: servicePorts(['resp', 'grpc']),
  } satisfies V1ServiceSpec;
  return owned(cluster, {
    apiVersion: 'v1',
    kind: 'Service',
    name: objectNames(cluster.metadata.name).clientService,
    component: 'client-service',
    ...(service.annotations === undefined ? {} : { annotations: service.annotations }),
    body: { spec },
  });
}

/** `<cluster>-nodes`: names for the pods, from before they are ready, since peers need them then. */
export function buildNodeService(cluster: RDbCluster): KubernetesObject {
  const { service } = cluster.spec;
  const spec = {
    clusterIP: 'None',
    publishNotReadyAddresses: true,
    selector: podSelector(cluster.metadata.name),
    ipFamilyPolicy: service.ipFamilyPolicy,
    ...(service.ipFamilies === undefined ? {} : { ipFamilies: [...service.ipFamilies] }),
    ports: servicePorts(['resp', 'grpc', 'peer', 'metrics']),
  } satisfies V1ServiceSpec;
  return owned(cluster, {
    apiVersion: 'v1',
    kind: 'Service',
    name: objectNames(cluster.metadata.name).nodeService,
    component: 'node-service',
    body: { spec },
  });
}

function servicePorts(names: readonly (keyof typeof ports)[]) {
  return names.map((name) => ({ name, port: ports[name], targetPort: name, protocol: 'TCP' }));
}
