/**
 * A world for the operator: the fake API server, and as much of Kubernetes and of nodes as a cluster
 * needs to live. Time passes only when a test says so.
 */
import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { kubeconfigTextConnection } from '@r-db/kubernetes/kubeconfig.ts';
import { RESOURCES, type Resource } from '@r-db/kubernetes/resources.ts';
import { FakeApi } from '@r-db/kubernetes/testing/fake-api.ts';
import { KubernetesLeases } from '@r-db/leases/kubernetes.ts';
import { LABEL } from '@r-db/proto/leases.ts';
import type { NodeReplicas } from '@r-db/proto/replicas.ts';
import type { View } from '../api.ts';
import { objectApi } from '../client.ts';
import type { Tools } from '../context.ts';
import { EventRecorder } from '../events.ts';
import { Memory } from '../memory.ts';
import type { KubernetesObject, ObjectKey } from '../objects.ts';
import { type Outcome, type ReconcileOptions, reconcile } from '../reconcile.ts';
import { asCluster, type RDbCluster, type RDbClusterSpec } from '../resource.ts';
import { FakeKubernetes } from './fake-kubernetes.ts';

export const defaultSpec: RDbClusterSpec = {
  nodes: 3,
  shards: 6,
  replicationFactor: 1,
  resources: { requests: { cpu: '250m', memory: '1Gi' }, limits: { memory: '1Gi' } },
  memory: { budgetPercent: 75, whenFull: 'Refuse' },
  failover: { promiseMilliseconds: 1000 },
  service: { type: 'ClusterIP', ipFamilyPolicy: 'PreferDualStack' },
  terminationGracePeriodSeconds: 300,
  paused: false,
};

export class World implements AsyncDisposable {
  readonly api: FakeApi;
  readonly kubernetes: FakeKubernetes;
  readonly client: KubernetesClient;
  readonly view: View;
  /** Nodes without an answer of their own don't answer. */
  silent = false;
  /** What nodes answer when they are asked. */
  readonly answers = new Map<string, NodeReplicas>();
  tools: Tools;
  offsetMs = 0;

  private constructor(api: FakeApi) {
    this.api = api;
    this.kubernetes = new FakeKubernetes(api, () => this.nowMs());
    const connection = kubeconfigTextConnection(api.kubeconfig());
    this.client = new KubernetesClient({ connection });
    this.view = liveView(this.client);
    this.tools = this.makeTools();
  }

  static async start(): Promise<World> {
    return new World(await FakeApi.start());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.connection.close();
    await this.api[Symbol.asyncDispose]();
  }

  nowMs(): number {
    return Date.now() + this.offsetMs;
  }

  /** Forgets all that is not in the API server: what a restart of the operator does. */
  restartOperator(): void {
    this.tools = this.makeTools();
  }

  create(spec: Partial<RDbClusterSpec> = {}, name = 'demo'): RDbCluster {
    return asCluster(
      this.api.objects.create(RESOURCES.RDbCluster, 'default', {
        metadata: { name, namespace: 'default' },
        spec: { ...defaultSpec, ...spec },
      }) as unknown as KubernetesObject,
    );
  }

  get cluster(): RDbCluster {
    return asCluster(this.get(RESOURCES.RDbCluster, 'demo'));
  }

  /** Throws if there is none. */
  get(resource: Resource, name: string): KubernetesObject {
    const object = this.find(resource, name);
    if (object === undefined) throw new Error(`no ${resource.kind} ${name}`);
    return object;
  }

  find(resource: Resource, name: string): KubernetesObject | undefined {
    return this.api.objects.get(resource, 'default', name) as KubernetesObject | undefined;
  }

  list(resource: Resource): KubernetesObject[] {
    return this.api.objects.list(resource, 'default') as unknown as KubernetesObject[];
  }

  /** Changes an object as somebody else would. */
  edit(
    resource: Resource,
    name: string,
    change: (object: KubernetesObject) => object,
    subresource?: 'status',
  ): void {
    const before = this.api.objects.get(resource, 'default', name);
    if (before === undefined) throw new Error(`no ${resource.kind} ${name}`);
    const after = change(before as unknown as KubernetesObject);
    this.api.objects.replace(resource, before, after as never, subresource);
  }

  editSpec(change: Partial<RDbClusterSpec>): void {
    this.edit(RESOURCES.RDbCluster, 'demo', (object) => ({
      ...object,
      spec: { ...object.spec, ...change },
    }));
  }

  annotate(annotations: Readonly<Record<string, string>>): void {
    this.edit(RESOURCES.RDbCluster, 'demo', (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations },
    }));
  }

  reconcile(options?: ReconcileOptions): Promise<Outcome> {
    return reconcile(this.tools, this.view, { namespace: 'default', name: 'demo' }, options);
  }

  /** Reconciles and lets Kubernetes and the nodes act, until neither changes anything. */
  async settle(rounds = 30): Promise<Outcome> {
    for (let round = 0; round < rounds; round++) {
      const before = this.api.objects.version;
      const outcome = await this.reconcile();
      this.kubernetes.act();
      if (this.api.objects.version === before) return outcome;
    }
    throw new Error(`not settled after ${rounds} rounds`);
  }

  condition(type: string) {
    return this.cluster.status?.conditions?.find((condition) => condition.type === type);
  }

  reasonOf(type: string): string | undefined {
    return this.condition(type)?.reason;
  }

  /** Reasons of all Events so far, sorted. */
  eventReasons(): string[] {
    const events = this.list(RESOURCES.Event) as unknown as { reason: string }[];
    return events.map(({ reason }) => reason).sort();
  }

  /** Of a node that has reloaded its settings; it holds nothing. */
  answerOf(node: string, replicas: NodeReplicas['replicas'] = []): NodeReplicas {
    const files = this.find(RESOURCES.ConfigMap, 'demo-config')?.data;
    return {
      node,
      incarnation: 'f'.repeat(16),
      clusterId: this.cluster.metadata.uid,
      minInSyncReplicas: Number(files?.['RDB_MIN_IN_SYNC_REPLICAS'] ?? 1),
      replicas,
    };
  }

  private makeTools(): Tools {
    const api = objectApi(this.client);
    const nowMs = () => this.nowMs();
    return {
      api,
      leases: (namespace) => new KubernetesLeases({ client: this.client, namespace }),
      events: new EventRecorder({ api, instance: 'test', nowMs, onLost: () => {} }),
      memory: new Memory(),
      zoneOf: async (host) => this.kubernetes.zones.get(host),
      ask: async () => undefined,
      askReplicas: async ({ host }) => {
        const node = host.split('.')[0] ?? '';
        return this.answers.get(node) ?? (this.silent ? undefined : this.answerOf(node));
      },
      image: 'rdb.dev/r-db:test',
      nowMs,
      randomSeed: () => '0123456789abcdef',
    };
  }
}

/** Everything straight from the API server, by the labels that the operator's caches go by. */
export function liveView(client: KubernetesClient): View {
  return {
    get: (resource: Resource, key: ObjectKey) => client.get<KubernetesObject>(resource, key),
    async ofCluster(resource, { namespace, name }) {
      const labelSelector = `${LABEL.cluster}=${name}`;
      const { items } = await client.list<KubernetesObject>(resource, { namespace, labelSelector });
      return items;
    },
    zoneOf: async () => undefined,
  };
}

/** An object without what differs from run to run: times, UIDs, versions, incarnations. */
export function normalized(object: KubernetesObject): unknown {
  const text = JSON.stringify(object, (name, value: unknown) =>
    VOLATILE.has(name) ? undefined : sorted(value),
  );
  return JSON.parse(
    text
      .replace(/00000000-0000-4000-8000-[0-9a-f]{12}/g, 'UID')
      .replace(/demo-(\d)\/[0-9a-f]{16}/g, 'demo-$1/INCARNATION')
      .replace(/"rdb\.dev\/(revision|applied-hash|template-hash)":"[^"]*"/g, '"rdb.dev/$1":"X"')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME'),
  );
}

const VOLATILE = new Set([
  'resourceVersion',
  'generation',
  'observedGeneration',
  'leaseTransitions',
]);

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)),
  );
}
