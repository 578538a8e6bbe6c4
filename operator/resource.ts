/**
 * `RDbCluster` as the API server hands it out: defaults of the schema filled in. The source of truth
 * is crds/rdbclusters.rdb.dev.yaml; a test holds these types against it by the tables below.
 */
import type { JsonObject } from './json.ts';
import type { KubernetesObject, Metadata } from './objects.ts';

export const GROUP = 'rdb.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'RDbCluster';

export interface RDbCluster {
  readonly apiVersion: 'rdb.dev/v1alpha1';
  readonly kind: 'RDbCluster';
  readonly metadata: Metadata & {
    readonly namespace: string;
    readonly uid: string;
    readonly generation: number;
  };
  readonly spec: RDbClusterSpec;
  readonly status?: RDbClusterStatus;
}

export type TotalLoss = 'Hold' | 'Reset';
export type IPFamilyPolicy = 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';

export interface RDbClusterSpec {
  readonly nodes: number;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly minInSyncReplicas?: number;
  readonly image?: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly resources: {
    readonly requests?: Quantities;
    readonly limits?: Quantities;
  };
  readonly threads?: number;
  readonly memory: { readonly budgetPercent: number; readonly whenFull: 'Refuse' };
  readonly failover: { readonly promiseMilliseconds: number; readonly totalLoss?: TotalLoss };
  readonly service: {
    readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
    readonly annotations?: Texts;
    readonly ipFamilyPolicy: IPFamilyPolicy;
    readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[];
  };
  readonly scheduling?: {
    readonly affinity?: JsonObject;
    readonly nodeSelector?: Texts;
    readonly tolerations?: readonly JsonObject[];
    readonly topologySpreadConstraints?: readonly JsonObject[];
    readonly priorityClassName?: string;
  };
  readonly podMetadata?: { readonly labels?: Texts; readonly annotations?: Texts };
  readonly podSecurityContext?: JsonObject;
  readonly terminationGracePeriodSeconds: number;
  readonly paused: boolean;
}

export interface RDbClusterStatus {
  readonly observedGeneration?: number;
  readonly nodes?: number;
  readonly readyNodes?: number;
  readonly selector?: string;
  readonly version?: string;
  readonly minInSyncReplicas?: number;
  readonly totalLoss?: TotalLoss;
  readonly shards?: ShardCounts;
  readonly keys?: number;
  readonly bytes?: number;
  readonly lastFailovers?: readonly Failover[];
  readonly conditions?: readonly Condition[];
}

export interface ShardCounts {
  readonly total: number;
  readonly led: number;
  readonly inSync: number;
  readonly underReplicated: number;
  readonly lost: number;
  readonly summary: string;
}

export interface Failover {
  readonly node: string;
  readonly cause: string;
  readonly shards: number;
  readonly firstTime: string;
  readonly lastTime: string;
  readonly detectionMilliseconds?: number;
  readonly promotionMilliseconds?: number;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

export type Quantities = Readonly<Record<string, string | number>>;
export type Texts = Readonly<Record<string, string>>;

/** The API server has checked it against the schema: what it hands out is one. */
export function asCluster(object: KubernetesObject): RDbCluster {
  return object as unknown as RDbCluster;
}

export function asObject(cluster: RDbCluster): KubernetesObject {
  return cluster as unknown as KubernetesObject;
}

/** `true` where a field is a leaf here: everything under it is Kubernetes' own or free text. */
type Fields<T> = { readonly [K in keyof Required<T>]: true | object };

export const specFields = {
  nodes: true,
  shards: true,
  replicationFactor: true,
  minInSyncReplicas: true,
  image: true,
  imagePullPolicy: true,
  imagePullSecrets: true,
  resources: { requests: true, limits: true } satisfies Fields<RDbClusterSpec['resources']>,
  threads: true,
  memory: { budgetPercent: true, whenFull: true } satisfies Fields<RDbClusterSpec['memory']>,
  failover: { promiseMilliseconds: true, totalLoss: true } satisfies Fields<
    RDbClusterSpec['failover']
  >,
  service: {
    type: true,
    annotations: true,
    ipFamilyPolicy: true,
    ipFamilies: true,
  } satisfies Fields<RDbClusterSpec['service']>,
  scheduling: {
    affinity: true,
    nodeSelector: true,
    tolerations: true,
    topologySpreadConstraints: true,
    priorityClassName: true,
  } satisfies Fields<NonNullable<RDbClusterSpec['scheduling']>>,
  podMetadata: { labels: true, annotations: true } satisfies Fields<
    NonNullable<RDbClusterSpec['podMetadata']>
  >,
  podSecurityContext: true,
  terminationGracePeriodSeconds: true,
  paused: true,
} as const satisfies Fields<RDbClusterSpec>;

export const statusFields = {
  observedGeneration: true,
  nodes: true,
  readyNodes: true,
  selector: true,
  version: true,
  minInSyncReplicas: true,
  totalLoss: true,
  shards: {
    total: true,
    led: true,
    inSync: true,
    underReplicated: true,
    lost: true,
    summary: true,
  } satisfies Fields<ShardCounts>,
  keys: true,
  bytes: true,
  lastFailovers: true,
  conditions: true,
} as const satisfies Fields<RDbClusterStatus>;
