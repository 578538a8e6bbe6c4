/**
 * Caches of everything that the operator looks at, kept by watches, and which cluster each change
 * concerns. What is of no consequence, such as a renewed node Lease, wakes nobody.
 */
import type { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { Informer, type InformerEvent } from '@r-db/kubernetes/informer.ts';
import { RESOURCES, type Resource } from '@r-db/kubernetes/resources.ts';
import { LABEL, MANAGED_BY } from '@r-db/proto/leases.ts';
import type { View } from './api.ts';
import { canonicalJson, type Json } from './json.ts';
import { TOPOLOGY } from './names.ts';
import { type KubernetesObject, keyText, type ObjectKey, type Pod } from './objects.ts';

const OWNED: readonly Resource[] = [
  RESOURCES.StatefulSet,
  RESOURCES.Pod,
  RESOURCES.Lease,
  RESOURCES.ConfigMap,
  RESOURCES.Service,
  RESOURCES.ServiceAccount,
  RESOURCES.Role,
  RESOURCES.RoleBinding,
  RESOURCES.PodDisruptionBudget,
];

export interface WatchingOptions {
  readonly client: KubernetesClient;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  /** A cluster may have to be looked at: `namespace/name`. */
  onChange(key: string): void;
  /** Every state of a pod, the last one included. */
  onPod(pod: Pod): void;
  onError(resource: Resource, error: Error): void;
}

export class Watching implements View, AsyncDisposable {
  /** By resource, one for each namespace (or one for all). */
  readonly #informers = new Map<Resource, Informer<KubernetesObject>[]>();
  readonly #options: WatchingOptions;
  /** Names of a cluster's objects by kind: else each reconcile would go through all objects. */
  readonly #index = new Map<string, Map<string, KubernetesObject>>();

  constructor(options: WatchingOptions) {
    this.#options = options;
    this.#start(RESOURCES.RDbCluster, undefined);
    for (const resource of OWNED) this.#start(resource, `${LABEL.managedBy}=${MANAGED_BY}`);
    this.#start(RESOURCES.Node, undefined);
  }

  /** Resolves when everything that must be known before the first reconcile is. */
  async ready(): Promise<void> {
    await Promise.all(this.#needed().map(({ ready }) => ready));
  }

  /** Kubernetes nodes may be forbidden: without them only zones are unknown. */
  #needed(): Informer<KubernetesObject>[] {
    const needed = [...this.#informers].filter(([resource]) => resource !== RESOURCES.Node);
    return needed.flatMap(([, informers]) => informers);
  }

  /** Milliseconds since the API server was last heard on the quietest watch that must work. */
  ageMs(): number {
    return Math.max(...this.#needed().map((informer) => informer.ageMs()));
  }

  clusters(): readonly KubernetesObject[] {
    return (this.#informers.get(RESOURCES.RDbCluster) ?? []).flatMap((one) => one.list());
  }

  async get(resource: Resource, { namespace, name }: ObjectKey) {
    const place = resource.namespaced ? namespace : undefined;
    for (const informer of this.#informers.get(resource) ?? []) {
      const object = informer.get(place, name);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  async ofCluster(resource: Resource, cluster: ObjectKey) {
    return [...(this.#index.get(indexKey(resource, keyText(cluster)))?.values() ?? [])];
  }

  async zoneOf(host: string): Promise<string | undefined> {
    const node = await this.get(RESOURCES.Node, { namespace: '', name: host });
    return node?.metadata.labels?.[TOPOLOGY.zone];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#informers.values()].flat();
    await Promise.all(all.map((informer) => informer[Symbol.asyncDispose]()));
  }

  #start(resource: Resource, labelSelector: string | undefined): void {
    const { client, namespaces, onError } = this.#options;
    const places = resource.namespaced && namespaces.length > 0 ? namespaces : [undefined];
    const informers = places.map(
      (namespace) =>
        new Informer<KubernetesObject>({
          client,
          resource,
          selection: { namespace, labelSelector },
          onEvent: (event) => this.#event(resource, event),
          onError: (error) => onError(resource, error),
        }),
    );
    this.#informers.set(resource, informers);
  }

  #event(resource: Resource, event: InformerEvent<KubernetesObject>): void {
    const { object } = event;
    const { onChange, onPod } = this.#options;
    if (resource === RESOURCES.Node) {
      this.#nodeEvent(event);
      return;
    }
    if (resource === RESOURCES.Pod) onPod(object as Pod);
    const key = clusterKey(resource, object);
    if (key === undefined) return;
    if (resource !== RESOURCES.RDbCluster) this.#keep(resource, key, event);
    if (event.kind === 'put' && event.before !== undefined && isSame(event.before, object)) return;
    onChange(key);
  }

  #keep(resource: Resource, key: string, { kind, object }: InformerEvent<KubernetesObject>): void {
    const place = indexKey(resource, key);
    const objects = this.#index.get(place) ?? new Map<string, KubernetesObject>();
    if (kind === 'deleted') objects.delete(object.metadata.name);
    else objects.set(object.metadata.name, object);
    if (objects.size === 0) this.#index.delete(place);
    else this.#index.set(place, objects);
  }

  /** A zone that became known concerns the clusters with pods there. */
  #nodeEvent({ kind, object, ...event }: InformerEvent<KubernetesObject>): void {
    const before = 'before' in event ? event.before : undefined;
    const zone = object.metadata.labels?.[TOPOLOGY.zone];
    if (kind === 'deleted' || zone === before?.metadata.labels?.[TOPOLOGY.zone]) return;
    for (const informer of this.#informers.get(RESOURCES.Pod) ?? []) {
      for (const pod of informer.list()) {
        const key = clusterKey(RESOURCES.Pod, pod);
        if (key !== undefined && (pod as Pod).spec?.nodeName === object.metadata.name) {
          this.#options.onChange(key);
        }
      }
    }
  }
}

function clusterKey(resource: Resource, { metadata }: KubernetesObject): string | undefined {
  const { namespace = '' } = metadata;
  const name = resource === RESOURCES.RDbCluster ? metadata.name : metadata.labels?.[LABEL.cluster];
  return name === undefined ? undefined : keyText({ namespace, name });
}

function indexKey(resource: Resource, cluster: string): string {
  return `${resource.plural} ${cluster}`;
}

/** The same but for times and versions that say nothing of the content. */
export function isSame(before: KubernetesObject, after: KubernetesObject): boolean {
  return canonicalJson(content(before)) === canonicalJson(content(after));
}

function content(object: KubernetesObject): Json {
  const { resourceVersion: _1, ...metadata } = object.metadata as unknown as Record<string, Json>;
  const { managedFields: _2, ...kept } = metadata;
  const { renewTime: _3, ...spec } = (object.spec ?? {}) as Record<string, Json>;
  const isLease = object.metadata.labels?.[LABEL.kind] === 'Node';
  const annotations = { ...((kept['annotations'] ?? {}) as Record<string, Json>) };
  if (isLease) delete annotations['rdb.dev/revision'];
  return {
    ...(object as unknown as Record<string, Json>),
    metadata: { ...kept, annotations },
    ...(object.spec === undefined ? {} : { spec: isLease ? spec : (object.spec as Json) }),
  };
}
