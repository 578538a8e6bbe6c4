/** The operator as a whole, apart from the process it runs in: started, elected, stopped. */
import type { KubernetesClient } from '@r-db/kubernetes/client.ts';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { KubernetesLeases } from '@r-db/leases/kubernetes.ts';
import { askNode, askReplicas } from './ask.ts';
import { objectApi } from './client.ts';
import type { Tools } from './context.ts';
import { failureText, isPassing, type Reconciled, runController } from './controller.ts';
import { Election } from './election.ts';
import { messageOf } from './errors.ts';
import { EventRecorder } from './events.ts';
import { FiguresCollector } from './figures.ts';
import { limits } from './limits.ts';
import { Memory } from './memory.ts';
import { OperatorMetrics } from './metrics.ts';
import { keyOf } from './objects.ts';
import { WorkQueue } from './queue.ts';
import { asCluster } from './resource.ts';
import { Watching } from './watching.ts';

/** As much of a pino logger as is used. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface OperatorOptions {
  /** Makes the client, given what is to be told of each request. */
  client(
    onRequest: (done: { verb: string; code: string; durationSeconds: number }) => void,
  ): KubernetesClient;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly image: string;
  readonly namespace: string;
  readonly identity: string;
  readonly watchNamespaces: readonly string[];
  readonly leaderElection: boolean;
  readonly leaderElectionName: string;
  /** Milliseconds since 1970. */
  nowMs(): number;
  random(): number;
  randomSeed(): string;
  readonly ask?: typeof askNode;
  readonly askReplicas?: typeof askReplicas;
  /** The process must end: another one may lead by now. */
  onLost(reason: string): void;
}

export class Operator implements AsyncDisposable {
  readonly metrics: OperatorMetrics;
  readonly #options: OperatorOptions;
  readonly #client: KubernetesClient;
  readonly #queue: WorkQueue;
  readonly #tools: Tools;
  readonly #watching: Watching;
  readonly #figures: FiguresCollector;
  readonly #election: Election;
  #controller: Promise<void> | undefined;
  readonly #watchErrors = new Map<string, { readonly error: string; readonly atMs: number }>();
  #watched = false;

  constructor(options: OperatorOptions) {
    const { scheduler, log, nowMs, random } = options;
    this.#options = options;
    this.metrics = new OperatorMetrics({
      queueLength: () => this.#queue.length,
      watchAgeSeconds: () => this.#watching.ageMs() / 1000,
    });
    this.#client = options.client(({ verb, code, durationSeconds }) =>
      this.metrics.requested(verb, code, durationSeconds),
    );
    this.#queue = new WorkQueue({ scheduler, random });
    this.#tools = this.#makeTools();
    this.#watching = new Watching({
      client: this.#client,
      namespaces: options.watchNamespaces,
      onChange: (key) => this.#queue.addAfter(key, limits.coalesceMs),
      onPod: (pod) => this.#tools.memory.sawPod(pod),
      onError: ({ plural }, error) => this.#watchFailed(plural, error.message),
    });
    const ask: Tools['ask'] = (address) => this.#tools.ask(address);
    this.#figures = new FiguresCollector({
      tools: { ask },
      view: this.#watching,
      clusters: () => this.#watching.clusters().map(keyOf),
      scheduler,
      onChange: (key) => this.#queue.add(key),
    });
    this.#election = new Election({
      store: this.#leases(options.namespace),
      name: options.leaderElectionName,
      identity: options.identity,
      scheduler,
      nowMs,
      onElected: () => this.#lead(),
      onLost: (reason) => this.#lose(reason),
      onError: (problem) => log.debug({ problem }, 'leader election'),
    });
  }

  start(): void {
    const { log, leaderElection } = this.#options;
    void this.#watching.ready().then(() => {
      this.#watched = true;
      log.info({}, 'caches are filled');
    });
    if (leaderElection) this.#election.start();
    else this.#lead();
  }

  /** Why a rollout of the operator should wait; a standby is ready too. */
  unready(): string | undefined {
    return this.#watched ? undefined : 'waiting for the first lists from the API server';
  }

  /** Ends the reconciles that run, then gives up the leadership. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#figures.stop();
    this.#queue.close();
    await this.#controller;
    if (this.#options.leaderElection) await this.#election.stop();
    await this.#watching[Symbol.asyncDispose]();
    this.#client.connection.close();
  }

  /** Watches heal by themselves, or never do (a permission is missing): once a while is enough. */
  #watchFailed(plural: string, error: string): void {
    const { log, scheduler } = this.#options;
    const told = this.#watchErrors.get(plural);
    const nowMs = scheduler.nowMs();
    const again = told?.error === error && nowMs - told.atMs < limits.watchErrorAgainMs;
    if (again) {
      log.debug({ plural, error }, 'watch');
      return;
    }
    this.#watchErrors.set(plural, { error, atMs: nowMs });
    log.warn({ plural, error }, 'watch');
  }

  #lead(): void {
    const { log, random, scheduler } = this.#options;
    log.info({}, 'leading');
    this.metrics.leader.set(1);
    // Without full caches everything would look missing.
    this.#controller = this.#watching.ready().then(() => {
      this.#figures.start();
      return runController({
        queue: this.#queue,
        tools: this.#tools,
        view: this.#watching,
        figuresOf: (key) => this.#figures.of(key),
        random,
        monotonicMs: () => scheduler.nowMs(),
        onReconciled: (result) => this.#reconciled(result),
      });
    });
  }

  #lose(reason: string): void {
    this.metrics.leader.set(0);
    this.#queue.close();
    this.#options.onLost(reason);
  }

  #reconciled(result: Reconciled): void {
    const { log } = this.#options;
    const { key, durationMs, outcome, error, retryInMs } = result;
    const [namespace = '', cluster = ''] = key.split('/');
    this.metrics.reconciled(outcome?.kind ?? 'error', durationMs / 1000);
    if (outcome === undefined) {
      const fields = { namespace, cluster, retryInMs, error: failureText(result) };
      if (isPassing(error)) log.debug(fields, 'reconcile again');
      else log.warn(fields, 'reconcile failed');
      if (!(error instanceof Error && error.name === 'ApiError')) {
        log.error({ namespace, cluster, stack: (error as Error)?.stack }, 'unexpected error');
      }
      return;
    }
    log.debug({ namespace, cluster, durationMs, result: outcome.kind }, 'reconciled');
    if (outcome.kind === 'gone') this.metrics.forget({ namespace, cluster });
    else if (outcome.status !== undefined)
      void this.#publish({ namespace, name: cluster }, outcome.status);
  }

  async #publish(
    key: { readonly namespace: string; readonly name: string },
    status: NonNullable<NonNullable<Reconciled['outcome']>['status']>,
  ): Promise<void> {
    const object = this.#watching.clusters().find((cluster) => {
      const { namespace, name } = keyOf(cluster);
      return namespace === key.namespace && name === key.name;
    });
    if (object === undefined) return;
    const uid = asCluster(object).metadata.uid;
    const { nodes: wanted, shards } = asCluster(object).spec;
    let losses = 0;
    for (let shard = 0; shard < shards; shard++) {
      losses += (this.#tools.memory.shardSeen(uid, shard)?.generation ?? 1) - 1;
    }
    const { namespace, name: cluster } = key;
    this.metrics.cluster({ namespace, cluster }, { status, wanted, losses });
  }

  #makeTools(): Tools {
    const { nowMs, randomSeed, image, identity, log } = this.#options;
    const api = objectApi(this.#client);
    const ask = this.#options.ask ?? askNode;
    const replicasOf = this.#options.askReplicas ?? askReplicas;
    return {
      api,
      leases: (namespace) => this.#leases(namespace),
      events: new EventRecorder({
        api,
        instance: identity,
        nowMs,
        onLost: ({ reason }, error) => {
          this.metrics.lostEvent();
          log.warn({ reason, error: messageOf(error) }, 'Event not written');
        },
      }),
      memory: new Memory(),
      zoneOf: (host) => this.#watching.zoneOf(host),
      ask: (address) => ask(address, limits.figuresTimeoutMs),
      askReplicas: (address) => replicasOf(address, limits.replicasTimeoutMs),
      image,
      nowMs,
      randomSeed,
    };
  }

  #leases(namespace: string): KubernetesLeases {
    return new KubernetesLeases({ client: this.#client, namespace });
  }
}
