/**
 * Every metric of a node: one list, from which `/metrics` is made and docs/metrics.md is checked. All
 * values are read when somebody scrapes; serving pays for counters in memory only.
 */
import type { AgentStatistics } from '../agent/agent.ts';
import type { FollowerState } from '../agent/link.ts';
import { nodeLeaseStates } from '../agent/node-lease.ts';
import type { Topology } from '../agent/types.ts';
import { commands } from '../engine/commands.ts';
import type { Engine } from '../engine/types.ts';
import type { HistogramRow, Histograms } from './histograms.ts';
import { durationBuckets } from './limits.ts';
import type { ProcessStatistics } from './statistics.ts';

/** What a node knows of itself, for its metrics. */
export interface MetricSources {
  readonly version: string;
  readonly node: string;
  readonly statistics: ProcessStatistics;
  readonly engine: Engine;
  readonly perShard: boolean;
  readonly startedMs: number;
  /** Event loop of the main thread, seconds. */
  readonly mainLoop: { readonly mean: number; readonly p99: number; readonly max: number };
  /** The clock that control blocks are on. */
  readonly monotonicMs: number;
  readonly topology: Topology | undefined;
  /** Of the shards that this node leads. */
  readonly followers: readonly FollowerState[];
  readonly agent: Omit<AgentStatistics, 'shards'>;
  /** Requests to the LeaseStore, of whatever kind it is: labels verb, result. */
  readonly leaseRequests: Histograms;
  /** HTTP requests to the API server, watches included: labels verb, code. */
  readonly kubernetesRequests: Histograms;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a histogram's part. */
  readonly metricName?: string;
}

export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Left out where RDB_PER_SHARD_METRICS is false. */
  readonly perShard?: boolean;
  read(sources: MetricSources): readonly Sample[];
}

/** Shards whose leader, by the topology, is this node. */
function ownShards({ engine, topology }: MetricSources) {
  return Array.from({ length: engine.arena.options.shards }, (_, shard) => ({
    shard,
    serving: engine.serving(shard),
    seen: topology?.shards[shard],
  }));
}

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];

export const metricDefinitions: readonly MetricDefinition[] = [
  {
    name: 'rdb_commands_total',
    type: 'counter',
    labels: ['command', 'result'],
    help: 'Commands executed, by name and by result (ok, error).',
    read: readCommands,
  },
  {
    name: 'rdb_command_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'From the arrival of a command until its reply was ready; waiting for its shard included. Commands that came together count alike.',
    read: ({ statistics }) => {
      const counts = Array.from({ length: durationBuckets.length + 1 }, (_, index) =>
        statistics.bucket(index),
      );
      const row = { labels: {}, counts, sum: statistics.sum('durationSeconds') };
      return histogram('rdb_command_duration_seconds', durationBuckets, row);
    },
  },
  {
    name: 'rdb_connections',
    type: 'gauge',
    labels: ['protocol'],
    help: 'Open client connections, by protocol (resp, grpc).',
    read: ({ statistics }) => [
      { labels: { protocol: 'resp' }, value: statistics.connections() },
      { labels: { protocol: 'grpc' }, value: statistics.sum('grpcConnections') },
    ],
  },
  {
    name: 'rdb_connections_accepted_total',
    type: 'counter',
    labels: [],
    help: 'RESP connections accepted.',
    read: ({ statistics }) => one(statistics.sum('connectionsAccepted')),
  },
  {
    name: 'rdb_connections_refused_total',
    type: 'counter',
    labels: [],
    help: 'RESP connections refused: RDB_CONNECTIONS_MAX, or no memory.',
    read: ({ statistics }) => one(statistics.sum('connectionsRefused')),
  },
  {
    name: 'rdb_slow_consumers_total',
    type: 'counter',
    labels: [],
    help: 'Connections cut off because their client did not take its replies.',
    read: ({ statistics }) => one(statistics.sum('slowConsumers')),
  },
  {
    name: 'rdb_protocol_errors_total',
    type: 'counter',
    labels: [],
    help: 'Connections closed because of a frame that broke the protocol or a limit.',
    read: ({ statistics }) => one(statistics.sum('protocolErrors')),
  },
  {
    name: 'rdb_overloads_total',
    type: 'counter',
    labels: [],
    help: 'Commands refused with BUSY because a bounded queue or buffer was full.',
    read: ({ statistics }) => one(statistics.sum('overloads')),
  },
  {
    name: 'rdb_received_bytes_total',
    type: 'counter',
    labels: [],
    help: 'Bytes received from RESP clients.',
    read: ({ statistics }) => one(statistics.sum('inputBytes')),
  },
  {
    name: 'rdb_sent_bytes_total',
    type: 'counter',
    labels: [],
    help: 'Bytes sent to RESP clients.',
    read: ({ statistics }) => one(statistics.sum('outputBytes')),
  },
  {
    name: 'rdb_parked_connections',
    type: 'gauge',
    labels: [],
    help: 'Connections whose next command waits for its shard.',
    read: ({ statistics }) => one(statistics.sum('parked')),
  },
  {
    name: 'rdb_park_timeouts_total',
    type: 'counter',
    labels: [],
    help: 'Commands that waited for their shard as long as a promise lasts, and were answered with an error.',
    read: ({ statistics }) => one(statistics.sum('parkTimeouts')),
  },
  {
    name: 'rdb_keys',
    type: 'gauge',
    labels: ['shard'],
    perShard: true,
    help: 'Keys of each shard that this node leads.',
    read: (sources) =>
      ownShards(sources)
        .filter(({ serving }) => serving.role === 'leader')
        .map(({ shard }) => ({
          labels: { shard },
          value: sources.engine.shardStatistics(shard).keys,
        })),
  },
  {
    name: 'rdb_memory_bytes',
    type: 'gauge',
    labels: ['kind'],
    help: 'Memory: budget, used, records, index, buffers, reserved of the arena; resident and heap of the process; input and unsent of connections.',
    read: readMemory,
  },
  {
    name: 'rdb_expired_keys_total',
    type: 'counter',
    labels: [],
    help: 'Keys removed because their time had come.',
    read: ({ engine }) => one(engine.expiredKeys()),
  },
  {
    name: 'rdb_shard_leader',
    type: 'gauge',
    labels: ['shard'],
    perShard: true,
    help: '1 for each shard that this node leads, 0 for the others.',
    read: (sources) =>
      ownShards(sources).map(({ shard, serving }) => ({
        labels: { shard },
        value: serving.role === 'leader' ? 1 : 0,
      })),
  },
  {
    name: 'rdb_shard_epoch',
    type: 'gauge',
    labels: ['shard'],
    perShard: true,
    help: 'Epoch of each shard, as this node last saw it.',
    read: (sources) =>
      ownShards(sources).map(({ shard, serving, seen }) => ({
        labels: { shard },
        value: serving.role === 'leader' ? serving.epoch : (seen?.epoch ?? 0),
      })),
  },
  {
    name: 'rdb_shard_in_sync_replicas',
    type: 'gauge',
    labels: ['shard'],
    perShard: true,
    help: 'Members of the in-sync set of each shard that this node leads.',
    read: (sources) =>
      ownShards(sources)
        .filter(({ serving }) => serving.role === 'leader')
        .map(({ shard, seen }) => ({ labels: { shard }, value: seen?.inSync.length ?? 0 })),
  },
  {
    name: 'rdb_replication_lag_entries',
    type: 'gauge',
    labels: ['shard', 'follower'],
    perShard: true,
    help: 'Entries of the log that each follower of a shard led here lacks; an entry is a batch of writes.',
    read: ({ followers }) =>
      followers.flatMap(({ shard, node, lagEntries }) =>
        lagEntries === undefined ? [] : [{ labels: { shard, follower: node }, value: lagEntries }],
      ),
  },
  {
    name: 'rdb_commit_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'From the sealing of a batch of writes until every replica in sync had it; shards with one copy have no batches.',
    read: ({ statistics }) => {
      const counts = Array.from({ length: durationBuckets.length + 1 }, (_, index) =>
        statistics.commitBucket(index),
      );
      const row = { labels: {}, counts, sum: statistics.sum('commitSeconds') };
      return histogram('rdb_commit_duration_seconds', durationBuckets, row);
    },
  },
  {
    name: 'rdb_promise_seconds_left',
    type: 'gauge',
    labels: [],
    help: 'How long the shard led here with the least time may still serve reads by the promises that it holds; nothing where no shard needs any.',
    read: readPromise,
  },
  {
    name: 'rdb_peers_connected',
    type: 'gauge',
    labels: [],
    help: 'Other nodes that this one is connected to.',
    read: ({ statistics }) => one(statistics.sum('peersUp')),
  },
  {
    name: 'rdb_peer_refusals_total',
    type: 'counter',
    labels: [],
    help: 'Connections between nodes that either side refused: another cluster, version or shape, or a frame that broke the protocol or its checksum.',
    read: ({ statistics }) => one(statistics.sum('peerRefusals')),
  },
  {
    name: 'rdb_clock_behind_seconds',
    type: 'gauge',
    labels: [],
    help: 'By how much the wall clock is ahead of the time by which keys expire, which follows it slowly: large after the wall clock was set.',
    read: ({ statistics }) => one(statistics.sum('clockBehindSeconds')),
  },
  {
    name: 'rdb_shards_led',
    type: 'gauge',
    labels: [],
    help: 'Shards that this node leads.',
    read: (sources) =>
      one(ownShards(sources).filter(({ serving }) => serving.role === 'leader').length),
  },
  {
    name: 'rdb_failovers_total',
    type: 'counter',
    labels: ['cause'],
    help: 'Leaderships that this node began without a plan: Campaign, or Restart of its own container.',
    read: ({ agent }) => counts('cause', agent.failovers),
  },
  {
    name: 'rdb_total_losses_total',
    type: 'counter',
    labels: ['action'],
    help: 'Shards whose only copies were lost, as this node found out, by what it did: reset, held.',
    read: ({ agent }) => counts('action', new Map(Object.entries(agent.totalLosses))),
  },
  {
    name: 'rdb_leases_lost_total',
    type: 'counter',
    labels: [],
    help: 'How often this node found the Lease of a shard missing, replaced or gone back.',
    read: ({ agent }) => one(agent.leasesLost),
  },
  {
    name: 'rdb_leases_ignored_total',
    type: 'counter',
    labels: [],
    help: 'How often this node did not follow a Lease: it was nonsense, contradicted itself, or was of another cluster.',
    read: ({ agent }) => one(agent.leasesIgnored),
  },
  {
    name: 'rdb_node_lease_state',
    type: 'gauge',
    labels: ['state'],
    help: 'The Lease of this node: 1 at the state that it is in (waiting, held, superseded by a later start), 0 at the others.',
    read: ({ agent }) =>
      nodeLeaseStates.map((state) => ({
        labels: { state },
        value: agent.nodeLease.kind === state ? 1 : 0,
      })),
  },
  {
    name: 'rdb_node_lease_age_seconds',
    type: 'gauge',
    labels: [],
    help: 'Since the Lease of this node was last renewed, every 20 s where the store answers; nothing before the first time.',
    read: ({ agent: { nodeLeaseAgeMs } }) =>
      nodeLeaseAgeMs === undefined ? [] : one(nodeLeaseAgeMs / 1000),
  },
  {
    name: 'rdb_lease_request_failures_total',
    type: 'counter',
    labels: [],
    help: 'Requests for Leases of shards that failed, or whose effect is not known.',
    read: ({ agent }) => one(agent.storeTroubles),
  },
  {
    name: 'rdb_lease_request_duration_seconds',
    type: 'histogram',
    labels: ['verb', 'result'],
    help: 'Requests for Leases by what became of them: OK, Unresolved, or the error; also where they are not kept in Kubernetes.',
    read: ({ leaseRequests }) => histograms('rdb_lease_request_duration_seconds', leaseRequests),
  },
  {
    name: 'rdb_kubernetes_request_duration_seconds',
    type: 'histogram',
    labels: ['verb', 'code'],
    help: 'Requests to the API server, by verb and HTTP status or kind of failure; of a watch, until it begins.',
    read: ({ kubernetesRequests }) =>
      histograms('rdb_kubernetes_request_duration_seconds', kubernetesRequests),
  },
  {
    name: 'rdb_kubernetes_watch_age_seconds',
    type: 'gauge',
    labels: [],
    help: 'Since the watch of the Leases was last heard from.',
    read: ({ agent }) => one(agent.watchAgeMs / 1000),
  },
  {
    name: 'rdb_event_loop_delay_seconds',
    type: 'gauge',
    labels: ['thread', 'statistic'],
    help: 'How late timers ran in the last seconds: main and data threads; mean, p99, max.',
    read: readLoopDelays,
  },
  {
    name: 'rdb_node_info',
    type: 'gauge',
    labels: ['node', 'version'],
    help: 'Always 1; its labels say who this is.',
    read: ({ node, version }) => [{ labels: { node, version }, value: 1 }],
  },
  {
    name: 'rdb_start_time_seconds',
    type: 'gauge',
    labels: [],
    help: 'When the process started, seconds since the Unix epoch.',
    read: ({ startedMs }) => one(startedMs / 1000),
  },
  {
    name: 'rdb_cpu_seconds_total',
    type: 'counter',
    labels: [],
    help: 'CPU time of the process, user and system.',
    read: () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
  },
];

function readPromise(sources: MetricSources): readonly Sample[] {
  const left = ownShards(sources).flatMap(({ serving }) =>
    serving.role === 'leader' && Number.isFinite(serving.readUntilMs)
      ? [Math.max(0, serving.readUntilMs - sources.monotonicMs) / 1000]
      : [],
  );
  return left.length === 0 ? [] : one(Math.min(...left));
}

function readCommands({ engine, statistics }: MetricSources): readonly Sample[] {
  const engineRows = engine.commandStatistics();
  const samples = commands.flatMap((row, index) => {
    const inServer = statistics.command(index);
    const inEngine = row.runs === 'engine' ? engineRows[index] : undefined;
    const calls = (inEngine?.calls ?? 0) + inServer.calls;
    const errors = (inEngine?.errors ?? 0) + inServer.errors;
    const command = row.name.toLowerCase();
    return [
      { labels: { command, result: 'ok' }, value: calls - errors },
      { labels: { command, result: 'error' }, value: errors },
    ];
  });
  const unknown = statistics.sum('unknownCommands');
  return [...samples, { labels: { command: 'unknown', result: 'error' }, value: unknown }];
}

function readMemory({ engine, statistics }: MetricSources): readonly Sample[] {
  const process_ = process.memoryUsage();
  const kinds: Readonly<Record<string, number>> = {
    ...engine.memoryStatistics(),
    resident: process_.rss,
    heap: process_.heapUsed,
    input: statistics.sum('heldLocalBytes'),
    unsent: statistics.sum('unsentBytes'),
  };
  return Object.entries(kinds).map(([kind, value]) => ({ labels: { kind }, value }));
}

function readLoopDelays({ statistics, mainLoop }: MetricSources): readonly Sample[] {
  const threads = statistics.rows.map((row, thread) => ({
    thread: String(thread),
    mean: row.get('loopDelayMeanSeconds'),
    p99: row.get('loopDelayP99Seconds'),
    max: row.get('loopDelayMaxSeconds'),
  }));
  return [{ thread: 'main', ...mainLoop }, ...threads].flatMap(({ thread, ...delays }) =>
    Object.entries(delays).map(([statistic, value]) => ({ labels: { thread, statistic }, value })),
  );
}

function counts(label: string, values: ReadonlyMap<string, number>): readonly Sample[] {
  return [...values].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function histograms(name: string, all: Histograms): readonly Sample[] {
  return all.rows().flatMap((row) => histogram(name, all.bounds, row));
}

/** Cumulative buckets, sum and count, as the exposition formats want them. */
function histogram(name: string, bounds: readonly number[], row: HistogramRow): readonly Sample[] {
  let total = 0;
  const buckets = row.counts.map((count, index) => {
    total += count;
    const le = bounds[index] ?? '+Inf';
    return { metricName: `${name}_bucket`, labels: { le, ...row.labels }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: row.labels, value: row.sum },
    { metricName: `${name}_count`, labels: row.labels, value: total },
  ];
}
