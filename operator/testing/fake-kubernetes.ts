/** What StatefulSet controller, scheduler, kubelet and nodes would do, one step at a time. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import type { FakeApi } from '@r-db/kubernetes/testing/fake-api.ts';
import { leaseOf } from '@r-db/leases/raw.ts';
import {
  formatNodeLease,
  formatShardLease,
  leaseRevision,
  type Member,
  parseNodeLease,
  parseShardLease,
  type ShardLeaseContent,
  sameMember,
} from '@r-db/proto/leases.ts';
import type { JsonObject } from '../json.ts';
import type { KubernetesObject } from '../objects.ts';

const NAMESPACE = 'default';

export class FakeKubernetes {
  readonly zones = new Map<string, string>([
    ['host-0', 'z1'],
    ['host-1', 'z2'],
    ['host-2', 'z3'],
  ]);
  /** Pods that are made but never become ready. */
  readonly broken = new Set<string>();
  /** Nodes that follow and never catch up. */
  readonly stuck = new Set<string>();
  /** Whether nodes take Leases that are free. */
  nodesAct = true;
  readonly #api: FakeApi;
  readonly #nowMs: () => number;
  #incarnations = 0;

  constructor(api: FakeApi, nowMs: () => number) {
    this.#api = api;
    this.#nowMs = nowMs;
  }

  act(): void {
    for (const set of this.#list(RESOURCES.StatefulSet)) this.#statefulSet(set);
    for (const pod of this.#list(RESOURCES.Pod)) this.#kubelet(pod);
    if (!this.nodesAct) return;
    for (const pod of this.#list(RESOURCES.Pod)) this.#node(pod);
  }

  /** The process of a pod ends and starts anew: another incarnation, the same pod. */
  restartContainer(name: string): void {
    const pod = this.#get(RESOURCES.Pod, name);
    if (pod !== undefined) this.#register(pod);
  }

  /** The pod's object goes without the kubelet's word. */
  removePod(name: string): void {
    const pod = this.#api.objects.get(RESOURCES.Pod, NAMESPACE, name);
    if (pod !== undefined) this.#api.objects.delete(RESOURCES.Pod, pod);
  }

  #statefulSet(set: KubernetesObject): void {
    const { replicas = 0, template } = set.spec as unknown as {
      replicas?: number;
      template: { metadata: KubernetesObject['metadata']; spec: JsonObject };
    };
    const { name, uid = '', generation } = set.metadata;
    for (let ordinal = 0; ordinal < replicas; ordinal++) {
      if (this.#get(RESOURCES.Pod, `${name}-${ordinal}`) !== undefined) continue;
      const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name, uid, controller: true };
      this.#api.objects.create(RESOURCES.Pod, NAMESPACE, {
        metadata: {
          ...template.metadata,
          name: `${name}-${ordinal}`,
          labels: { ...template.metadata.labels, 'apps.kubernetes.io/pod-index': `${ordinal}` },
          ownerReferences: [owner],
        },
        spec: { ...template.spec, nodeName: `host-${ordinal % this.zones.size}` },
      });
    }
    if (set.status?.['observedGeneration'] === generation) return;
    this.#status(RESOURCES.StatefulSet, name, { observedGeneration: generation });
  }

  #kubelet(pod: KubernetesObject): void {
    const ready = !this.broken.has(pod.metadata.name);
    const running = pod.status?.['phase'] === 'Running';
    if (running && isReady(pod) === ready) return;
    const time = new Date(this.#nowMs()).toISOString();
    this.#status(RESOURCES.Pod, pod.metadata.name, {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time }],
      containerStatuses: [{ name: 'node', ready, state: { running: {} } }],
    });
  }

  #node(pod: KubernetesObject): void {
    if (!isReady(pod)) return;
    const cluster = clusterOf(pod);
    const ordinal = pod.metadata.name.slice(cluster.length + 1);
    const raw = this.#get(RESOURCES.Lease, `${cluster}-node-${ordinal}`);
    const parsed = raw === undefined ? undefined : parseNodeLease(leaseOf(raw));
    if (parsed?.ok !== true) return;
    const { member, podUid } = parsed.content;
    if (member === undefined || podUid !== pod.metadata.uid) {
      this.#register(pod);
      return;
    }
    for (const lease of this.#list(RESOURCES.Lease)) this.#shard(lease, cluster, member);
  }

  #register(pod: KubernetesObject): void {
    const cluster = clusterOf(pod);
    const node = pod.metadata.name;
    const name = `${cluster}-node-${node.slice(cluster.length + 1)}`;
    const raw = this.#get(RESOURCES.Lease, name);
    if (raw === undefined) return;
    const before = parseNodeLease(leaseOf(raw));
    if (!before.ok) return;
    const incarnation = (++this.#incarnations).toString(16).padStart(16, '0');
    const port = (port: number) => [{ host: `${node}.${cluster}-nodes.default.svc`, port }];
    const write = formatNodeLease({
      ...before.content,
      member: { node, incarnation },
      addresses: { resp: port(6379), grpc: port(7379), peer: port(8379) },
      podUid: pod.metadata.uid,
      version: '0.1.0',
      renewTimeMs: this.#nowMs(),
      revision: before.content.revision + 1,
    });
    this.#write(raw, write);
  }

  /** What the replica of one node does about one Lease: takes it, leads, follows at once. */
  #shard(raw: KubernetesObject, cluster: string, self: Member): void {
    if (!raw.metadata.name.startsWith(`${cluster}-shard-`)) return;
    const parsed = parseShardLease(leaseOf(raw));
    if (!parsed.ok) return;
    const next = this.#next(parsed.content, self);
    if (next === undefined) return;
    this.#write(
      raw,
      formatShardLease({ ...next, revision: parsed.content.revision + 1 }, this.#nowMs()),
    );
  }

  #next(content: ShardLeaseContent, self: Member): ShardLeaseContent | undefined {
    const { inSync, leader, assignment } = content;
    const epoch = content.epoch + 1;
    if (sameMember(leader, self)) return this.#lead(content, self);
    if (inSync.length === 0) {
      if (assignment[0] !== self.node) return undefined;
      return { ...content, epoch, leader: self, inSync: [self] };
    }
    const alive = inSync.filter((member) => this.#isAlive(member));
    if (!sameMember(alive[0], self)) return undefined;
    if (leader === undefined) return { ...content, epoch, leader: self };
    if (this.#isAlive(leader)) return undefined;
    const lastFailover = {
      node: leader.node,
      cause: 'LeaderLost',
      time: new Date(this.#nowMs()).toISOString(),
      detectionMilliseconds: 1000,
      promotionMilliseconds: 5,
    };
    const rest = inSync.filter((member) => !sameMember(member, leader));
    return { ...content, epoch, leader: self, inSync: rest, lastFailover };
  }

  #lead(content: ShardLeaseContent, self: Member): ShardLeaseContent | undefined {
    const { assignment, inSync } = content;
    const assigned = assignment.flatMap((node) => this.#aliveMember(node) ?? []);
    const all = assigned.length === assignment.length;
    const others = inSync.filter(
      (member) => !all && this.#isAlive(member) && !assignment.includes(member.node),
    );
    const next = [
      self,
      ...[...assigned, ...others].filter((member) => !sameMember(member, self)),
    ].filter((member) => !this.stuck.has(member.node) || sameMember(member, self));
    const same =
      next.length === inSync.length &&
      next.every((member) => inSync.some((other) => sameMember(member, other)));
    if (!same) return { ...content, inSync: next };
    const first = next.find(({ node }) => node === assignment[0]);
    if (first === undefined || sameMember(first, self)) return undefined;
    return { ...content, leader: first, epoch: content.epoch + 1 };
  }

  #isAlive(member: Member): boolean {
    return sameMember(this.#aliveMember(member.node), member);
  }

  #aliveMember(node: string): Member | undefined {
    const pod = this.#get(RESOURCES.Pod, node);
    if (pod === undefined || !isReady(pod)) return undefined;
    const cluster = clusterOf(pod);
    const raw = this.#get(RESOURCES.Lease, `${cluster}-node-${node.slice(cluster.length + 1)}`);
    const parsed = raw === undefined ? undefined : parseNodeLease(leaseOf(raw));
    if (parsed?.ok !== true || parsed.content.podUid !== pod.metadata.uid) return undefined;
    return parsed.content.member;
  }

  #write(
    raw: KubernetesObject,
    {
      annotations,
      spec,
    }: { annotations: Readonly<Record<string, string | null>>; spec: Readonly<object> },
  ): void {
    const merged: Record<string, string> = { ...raw.metadata.annotations };
    for (const [name, value] of Object.entries(annotations)) {
      if (value === null) delete merged[name];
      else merged[name] = value;
    }
    if (!leaseRevision(leaseOf(raw)).ok) throw new Error('unreadable revision');
    this.#replace(RESOURCES.Lease, raw.metadata.name, {
      ...raw,
      metadata: { ...raw.metadata, annotations: merged },
      spec: { ...raw.spec, ...spec },
    });
  }

  #status(resource: (typeof RESOURCES)['Pod'], name: string, status: object): void {
    const before = this.#api.objects.get(resource, NAMESPACE, name);
    if (before === undefined) return;
    this.#api.objects.replace(resource, before, { ...before, status } as never, 'status');
  }

  #replace(resource: (typeof RESOURCES)['Lease'], name: string, object: object): void {
    const before = this.#api.objects.get(resource, NAMESPACE, name);
    if (before === undefined) return;
    this.#api.objects.replace(resource, before, object as never);
  }

  #get(resource: (typeof RESOURCES)['Pod'], name: string): KubernetesObject | undefined {
    return this.#api.objects.get(resource, NAMESPACE, name) as KubernetesObject | undefined;
  }

  #list(resource: (typeof RESOURCES)['Pod']): KubernetesObject[] {
    return this.#api.objects.list(resource, NAMESPACE) as unknown as KubernetesObject[];
  }
}

function isReady(pod: KubernetesObject): boolean {
  const conditions = pod.status?.['conditions'] as { type: string; status: string }[] | undefined;
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function clusterOf(pod: KubernetesObject): string {
  return pod.metadata.labels?.['rdb.dev/cluster'] ?? '';
}
