/**
 * Every setting of a node. `read.ts` reads them from the environment and flags, `help.ts` prints them,
 * `directory.ts` reloads those that say so, and docs/configuration.md is checked against this table.
 */
import { REPLICATION_FACTOR_MAX } from '@r-db/proto/limits.ts';
import { limits } from './limits.ts';
import { bytes, choice, flag, integer, required, type Setting, text } from './setting.ts';

const dnsName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const port = { min: 1, max: 65_535 } as const;

export const settings = {
  cluster: required(
    text({
      name: 'RDB_CLUSTER',
      type: 'DNS name of at most 52 characters',
      pattern: /^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/,
      fallback: undefined,
      meaning: 'Name of the RDbCluster; begins the names of its Leases',
    }),
  ),
  clusterId: required(
    text({
      name: 'RDB_CLUSTER_ID',
      type: 'letters, digits and dashes, at most 64',
      pattern: /^[A-Za-z0-9-]{1,64}$/,
      fallback: undefined,
      meaning: 'metadata.uid of the RDbCluster; nodes refuse peers of another one',
    }),
  ),
  namespace: text({
    name: 'RDB_NAMESPACE',
    type: 'DNS name',
    pattern: dnsName,
    fallback: 'default',
    meaning: 'Kubernetes namespace of the Leases',
  }),
  node: required(
    text({
      name: 'RDB_NODE',
      type: 'name that ends in the ordinal, demo-0',
      pattern: /^[a-z0-9][a-z0-9-]{0,61}-\d{1,5}$/,
      fallback: undefined,
      meaning: 'Name of this node: that of its pod',
    }),
  ),
  podUid: text({
    name: 'RDB_POD_UID',
    type: 'letters, digits and dashes, at most 64',
    pattern: /^[A-Za-z0-9-]{1,64}$/,
    fallback: '',
    defaultText: 'empty',
    meaning: 'metadata.uid of the pod; tells a restarted container from a replaced pod',
  }),
  shards: required(
    integer({
      name: 'RDB_SHARDS',
      min: 1,
      max: limits.shardsMax,
      fallback: undefined,
      meaning: 'Shards of the whole cluster; the same on every node, never changed',
    }),
  ),
  hashSeed: required(
    text({
      name: 'RDB_HASH_SEED',
      type: '16 hexadecimal digits',
      pattern: /^[0-9a-fA-F]{16}$/,
      fallback: undefined,
      meaning: "Seed of the cluster's hash; the same on every node, kept from clients",
    }),
  ),
  threads: integer({
    name: 'RDB_THREADS',
    min: 1,
    max: limits.threadsMax,
    fallback: undefined,
    defaultText: 'the CPU limit of the container, rounded up, else 1',
    meaning: 'Data threads: each accepts connections and executes commands',
  }),
  bindAddress: text({
    name: 'RDB_BIND_ADDRESS',
    type: 'IP address',
    pattern: /^[0-9a-fA-F.:]{2,45}$/,
    fallback: '::',
    meaning: 'Address that all ports are bound to; `::` is every address, IPv4 included',
  }),
  advertiseHost: text({
    name: 'RDB_ADVERTISE_HOST',
    type: 'DNS name or IP address',
    pattern: /^[A-Za-z0-9.:-]{1,253}$/,
    fallback: undefined,
    defaultText: 'the name of the node',
    meaning: 'How clients and peers reach this node; told in redirects and in its Lease',
  }),
  respPort: integer({
    name: 'RDB_RESP_PORT',
    ...port,
    fallback: 6379,
    meaning: 'Redis protocol',
  }),
  grpcPort: integer({ name: 'RDB_GRPC_PORT', ...port, fallback: 7379, meaning: 'gRPC' }),
  peerPort: integer({
    name: 'RDB_PEER_PORT',
    ...port,
    fallback: 8379,
    meaning: 'Messages between nodes',
  }),
  metricsPort: integer({
    name: 'RDB_METRICS_PORT',
    ...port,
    fallback: 9121,
    meaning: 'HTTP: /metrics, /healthz, /readyz',
  }),
  memoryLimit: bytes({
    name: 'RDB_MEMORY_LIMIT',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    fallback: undefined,
    defaultText: "the container's limit, else the machine's memory",
    meaning: `Memory that the whole process may take; at least ${limits.memoryLimitBytesMin / 2 ** 20}Mi`,
  }),
  memoryBudgetPercent: integer({
    name: 'RDB_MEMORY_BUDGET_PERCENT',
    min: 10,
    max: 90,
    fallback: 75,
    meaning: 'Share of the memory limit that data may take at most',
  }),
  whenFull: choice({
    name: 'RDB_WHEN_FULL',
    of: ['Refuse'],
    fallback: 'Refuse',
    reloadable: true,
    meaning: 'What happens to writes once the budget is used up',
  }),
  totalLoss: choice({
    name: 'RDB_TOTAL_LOSS',
    of: ['Reset', 'Hold'],
    fallback: 'Reset',
    reloadable: true,
    meaning: 'Whether a shard whose last copy is lost starts again empty, or waits for a person',
  }),
  minInSyncReplicas: integer({
    name: 'RDB_MIN_IN_SYNC_REPLICAS',
    min: 1,
    max: REPLICATION_FACTOR_MAX,
    fallback: 1,
    reloadable: true,
    meaning: 'Copies, the leader included, that must be in sync for a shard to take writes',
  }),
  promiseMilliseconds: integer({
    name: 'RDB_PROMISE_MILLISECONDS',
    min: limits.promiseMillisecondsMin,
    max: limits.promiseMillisecondsMax,
    fallback: 1000,
    reloadable: true,
    meaning: 'Length of a promise; also the longest that a command waits for its shard',
  }),
  leases: text({
    name: 'RDB_LEASES',
    type: 'kubernetes | socket:<path>',
    pattern: /^(kubernetes|socket:.{1,200})$/,
    fallback: 'kubernetes',
    meaning: 'Where Leases are kept: the API server, or the socket of a local cluster',
  }),
  configurationDirectory: text({
    name: 'RDB_CONFIG_DIRECTORY',
    type: 'path',
    pattern: /^.{1,4000}$/,
    fallback: undefined,
    meaning: 'Mounted ConfigMap: one file a setting, named like it; reloadable ones only',
  }),
  logLevel: choice({
    name: 'RDB_LOG_LEVEL',
    of: ['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent'],
    fallback: 'info',
    reloadable: true,
    meaning: 'Log lines below this level are left out',
  }),
  shutdownGraceSeconds: integer({
    name: 'RDB_SHUTDOWN_GRACE_SECONDS',
    min: 1,
    max: limits.shutdownGraceSecondsMax,
    fallback: 30,
    meaning: 'From SIGTERM to the end of the process; below the grace period of the pod',
  }),
  keyBytesMax: bytes({
    name: 'RDB_KEY_BYTES_MAX',
    min: 1,
    max: limits.keyBytesMax,
    fallback: limits.keyBytesMax,
    meaning: 'Longest key',
  }),
  valueBytesMax: bytes({
    name: 'RDB_VALUE_BYTES_MAX',
    min: 1024,
    max: limits.valueBytesMax,
    fallback: 16 * 2 ** 20,
    meaning: 'Longest value',
  }),
  connectionsMax: integer({
    name: 'RDB_CONNECTIONS_MAX',
    min: 1,
    max: limits.connectionsMax,
    fallback: 10_000,
    reloadable: true,
    meaning: 'RESP connections of the whole node; more are refused',
  }),
  perShardMetrics: flag({
    name: 'RDB_PER_SHARD_METRICS',
    fallback: true,
    reloadable: true,
    meaning: 'Whether /metrics tells keys, leader, epoch and in-sync replicas of every shard',
  }),
} as const;

export type SettingKey = keyof typeof settings;
type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** What the settings say, defaults included. Plain data: it travels to the data threads. */
export type Settings = { readonly [K in SettingKey]: ValueOf<(typeof settings)[K]> };

export const settingKeys = Object.keys(settings) as readonly SettingKey[];
export const keyByName: ReadonlyMap<string, SettingKey> = new Map(
  settingKeys.map((key) => [settings[key].name, key]),
);
