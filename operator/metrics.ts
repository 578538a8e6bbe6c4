/** Metrics of the operator; docs/metrics.md lists them, checked by a test. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RDbClusterStatus } from './resource.ts';

export interface ClusterKey {
  readonly namespace: string;
  readonly cluster: string;
}

export interface ClusterFigures {
  readonly status: RDbClusterStatus;
  readonly wanted: number;
  /** Generations above the first, summed over all shards. */
  readonly losses: number;
}

export const metricNames = [
  'rdb_operator_reconcile_duration_seconds',
  'rdb_operator_reconcile_errors_total',
  'rdb_operator_nodes',
  'rdb_operator_shards',
  'rdb_operator_shard_losses',
  'rdb_operator_condition',
  'rdb_operator_leader',
  'rdb_operator_queue_length',
  'rdb_operator_lost_events_total',
  'rdb_kubernetes_request_duration_seconds',
  'rdb_kubernetes_watch_age_seconds',
] as const;

export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #reconciles = new Histogram({
    name: 'rdb_operator_reconcile_duration_seconds',
    help: 'Time that one reconcile of a cluster took, by its result: done, blocked, gone, error',
    labelNames: ['result'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [this.registry],
  });
  readonly #errors = new Counter({
    name: 'rdb_operator_reconcile_errors_total',
    help: 'Reconciles that failed and are tried again',
    registers: [this.registry],
  });
  readonly leader = new Gauge({
    name: 'rdb_operator_leader',
    help: '1 in the operator that works',
    registers: [this.registry],
  });
  readonly #lostEvents = new Counter({
    name: 'rdb_operator_lost_events_total',
    help: 'Kubernetes Events that could not be written',
    registers: [this.registry],
  });
  readonly #requests = new Histogram({
    name: 'rdb_kubernetes_request_duration_seconds',
    help: 'Requests to the API server, by verb and HTTP status or kind of failure',
    labelNames: ['verb', 'code'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly #clusters = new Map<string, ClusterFigures>();

  constructor(read: { queueLength(): number; watchAgeSeconds(): number }) {
    collectDefaultMetrics({ register: this.registry });
    this.#perCluster(
      'rdb_operator_nodes',
      'Nodes of each cluster by state: wanted, there, ready',
      ['state'],
      ({ status, wanted }) => [
        [{ state: 'wanted' }, wanted],
        [{ state: 'there' }, status.nodes ?? 0],
        [{ state: 'ready' }, status.readyNodes ?? 0],
      ],
    );
    this.#perCluster(
      'rdb_operator_shards',
      'Shards of each cluster by state: total, led, in_sync, lost',
      ['state'],
      ({ status: { shards } }) => [
        [{ state: 'total' }, shards?.total ?? 0],
        [{ state: 'led' }, shards?.led ?? 0],
        [{ state: 'in_sync' }, shards?.inSync ?? 0],
        [{ state: 'lost' }, shards?.lost ?? 0],
      ],
    );
    this.#perCluster(
      'rdb_operator_shard_losses',
      'How often shards of the cluster lost every copy and were started again empty, since it was made',
      [],
      ({ losses }) => [[{}, losses]],
    );
    this.#perCluster(
      'rdb_operator_condition',
      'Conditions of each cluster: 1 where the status is True',
      ['type', 'reason'],
      ({ status }) =>
        (status.conditions ?? []).map(({ type, reason, status: value }) => [
          { type, reason },
          value === 'True' ? 1 : 0,
        ]),
    );
    new Gauge({
      name: 'rdb_operator_queue_length',
      help: 'Clusters that wait to be reconciled',
      registers: [this.registry],
      collect() {
        this.set(read.queueLength());
      },
    });
    new Gauge({
      name: 'rdb_kubernetes_watch_age_seconds',
      help: 'Time since the API server was last heard on the quietest watch',
      registers: [this.registry],
      collect() {
        this.set(read.watchAgeSeconds());
      },
    });
  }

  reconciled(result: 'done' | 'blocked' | 'gone' | 'error', seconds: number): void {
    this.#reconciles.observe({ result }, seconds);
    if (result === 'error') this.#errors.inc();
  }

  lostEvent(): void {
    this.#lostEvents.inc();
  }

  requested(verb: string, code: string, seconds: number): void {
    this.#requests.observe({ verb, code }, seconds);
  }

  /** What a cluster's status says, as numbers. */
  cluster(key: ClusterKey, figures: ClusterFigures): void {
    this.#clusters.set(`${key.namespace}/${key.cluster}`, figures);
  }

  /** Of a cluster that is gone no series stays. */
  forget(key: ClusterKey): void {
    this.#clusters.delete(`${key.namespace}/${key.cluster}`);
  }

  #perCluster(
    name: string,
    help: string,
    labels: readonly string[],
    values: (figures: ClusterFigures) => readonly (readonly [Record<string, string>, number])[],
  ): void {
    const clusters = this.#clusters;
    new Gauge({
      name,
      help,
      labelNames: ['namespace', 'cluster', ...labels],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [key, figures] of clusters) {
          const [namespace = '', cluster = ''] = key.split('/');
          for (const [more, value] of values(figures)) {
            this.set({ namespace, cluster, ...more }, value);
          }
        }
      },
    });
  }
}
