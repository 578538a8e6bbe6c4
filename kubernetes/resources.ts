/** Kinds of Kubernetes objects that we use, and their places in the API. */

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Whether `status` is a subresource: updates of the object don't change it, and the reverse. */
  readonly status: boolean;
}

/** One object of a resource; `namespace` only where it is namespaced. */
export interface ObjectReference {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/**
 * An object as JSON has it: times are strings, unknown fields are kept. (The typed classes of
 * @kubernetes/client-node turn times into Dates and drop what they don't know.)
 */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

export const RESOURCES = {
  Lease: namespaced('coordination.k8s.io', 'v1', 'leases', 'Lease', false),
  Pod: namespaced('', 'v1', 'pods', 'Pod', true),
  Service: namespaced('', 'v1', 'services', 'Service', true),
  ConfigMap: namespaced('', 'v1', 'configmaps', 'ConfigMap', false),
  ServiceAccount: namespaced('', 'v1', 'serviceaccounts', 'ServiceAccount', false),
  Event: namespaced('events.k8s.io', 'v1', 'events', 'Event', false),
  StatefulSet: namespaced('apps', 'v1', 'statefulsets', 'StatefulSet', true),
  PodDisruptionBudget: namespaced(
    'policy',
    'v1',
    'poddisruptionbudgets',
    'PodDisruptionBudget',
    true,
  ),
  Role: namespaced('rbac.authorization.k8s.io', 'v1', 'roles', 'Role', false),
  RoleBinding: namespaced('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding', false),
  RDbCluster: namespaced('rdb.dev', 'v1alpha1', 'rdbclusters', 'RDbCluster', true),
  Node: { ...namespaced('', 'v1', 'nodes', 'Node', true), namespaced: false },
  Namespace: { ...namespaced('', 'v1', 'namespaces', 'Namespace', true), namespaced: false },
} as const satisfies Record<string, Resource>;

export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/**
 * Path of a resource's collection (all namespaces if none is given), of one object, or of a
 * subresource of it.
 */
export function pathOf(
  resource: Resource,
  place: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
  } = {},
): string {
  const { namespace, name, subresource } = place;
  if (resource.namespaced && name !== undefined && namespace === undefined) {
    throw new RangeError(`${resource.kind} ${name} needs a namespace`);
  }
  const parts = [resource.group === '' ? 'api' : 'apis', apiVersionOf(resource)];
  if (resource.namespaced && namespace !== undefined) {
    parts.push('namespaces', encodeURIComponent(namespace));
  }
  parts.push(resource.plural);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource !== undefined) parts.push(subresource);
  return `/${parts.join('/')}`;
}

/** Labels as a selector: `a=1,b=2`. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

function namespaced(
  group: string,
  version: string,
  plural: string,
  kind: string,
  status: boolean,
): Resource {
  return { group, version, plural, kind, namespaced: true, status };
}
