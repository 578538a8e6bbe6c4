/**
 * A cluster of `ShardHost`s over one LeaseStore in memory, on virtual time: nodes with engines that
 * only remember, an operator that does what only the operator may, and the checks that must hold at
 * every moment. For the random test.
 */

import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { changedRaw } from '@r-db/leases/raw.ts';
import type { Lease } from '@r-db/leases/store.ts';
import {
  formatShardLease,
  parseShardLease,
  type ShardLeaseContent,
  shardLeaseName,
} from '@r-db/proto/leases.ts';
import type { Serving } from '../../engine/types.ts';
import { ShardHost, type ShardReport } from '../host.ts';
import { stillEngine } from './still-engine.ts';
import { newContent, storeShardLease } from './stored-lease.ts';

const CLUSTER = 'demo';
const CLUSTER_ID = '6d1f6c1e-0000-4000-8000-000000000001';

export interface FakeNode {
  readonly name: string;
  readonly podUid: string;
  readonly self: string;
  readonly host: ShardHost;
  readonly serving: Map<number, Serving>;
  readonly copies: Set<number>;
  readonly reports: Map<number, ShardReport>;
  /** The process runs. */
  alive: boolean;
  /** A pod deleted by force whose process lives on. */
  orphan: boolean;
}

export class FakeCluster {
  readonly scheduler = new ManualScheduler();
  readonly leases = new MemoryLeases({ scheduler: this.scheduler });
  readonly shards: number;
  readonly nodes: readonly string[];
  /** What happened, for the message of a failure. */
  readonly trace: string[] = [];
  readonly #random: () => number;
  readonly #running: FakeNode[] = [];
  /** Every incarnation by pod, in the order of their starts. */
  readonly #pods = new Map<string, string[]>();
  readonly #epochs = new Map<string, string>();
  readonly #generations = new Map<string, string>();
  /** What the operator remembers of deleted Leases: with every process gone, nobody else knows. */
  readonly #operatorSaw = new Map<number, { epoch: number; generation: number }>();
  #starts = 0;
  #failure: CheckFailed | undefined;

  constructor({
    shards,
    nodes,
    random,
  }: {
    shards: number;
    nodes: number;
    random: () => number;
  }) {
    this.shards = shards;
    this.nodes = Array.from({ length: nodes }, (_, ordinal) => `demo-${ordinal}`);
    this.#random = random;
    for (let shard = 0; shard < shards; shard++) {
      this.#create(shard, { epoch: 0, generation: 1, inSync: [], leader: undefined });
    }
  }

  get running(): readonly FakeNode[] {
    return this.#running.filter(({ alive }) => alive);
  }

  nodeOf(name: string): FakeNode | undefined {
    return this.running.find((node) => node.name === name && !node.orphan);
  }

  /** Starts a container, in the pod given or in a new one. */
  start(name: string, podUid = `pod-${++this.#starts}`): FakeNode {
    const incarnation = (++this.#starts).toString(16).padStart(16, '0');
    const self = `${name}/${incarnation}`;
    const ended = [...(this.#pods.get(podUid) ?? [])];
    this.#pods.set(podUid, [...ended, self]);
    const serving = new Map<number, Serving>();
    const copies = new Set<number>();
    const reports = new Map<number, ShardReport>();
    const host = new ShardHost({
      cluster: CLUSTER,
      clusterId: CLUSTER_ID,
      self,
      ended,
      totalLoss: 'Reset',
      shards: this.shards,
      replication: { minInSync: 1, promiseMs: 1_000 },
      network: undefined,
      shardTime: { nowMs: () => 0, heard: () => {}, adjust: () => {} },
      onResolved: () => {},
      onAbandoned: () => {},
      engine: stillEngine({
        createShard: (shard) => {
          this.#check(!copies.has(shard), `${self} makes a copy of shard ${shard} twice`);
          copies.add(shard);
        },
        dropShard: (shard) => {
          this.#check(
            serving.get(shard)?.role !== 'leader',
            `${self} drops shard ${shard}, serving it`,
          );
          if (this.#random() < 0.5) return false;
          return copies.delete(shard);
        },
        publish: (shard, now) => {
          serving.set(shard, now);
          if (now.role === 'leader') this.#checkLeader(node, shard, now);
        },
      }),
      store: this.leases.client(self),
      scheduler: this.scheduler,
      wallMs: () => this.scheduler.nowMs(),
      seed: Math.floor(this.#random() * 2 ** 32),
      onReport: (report) => reports.set(report.shard, report),
    });
    const node: FakeNode = {
      name,
      podUid,
      self,
      host,
      serving,
      copies,
      reports,
      alive: true,
      orphan: false,
    };
    this.#note(`${self} starts`);
    this.#running.push(node);
    host.start();
    return node;
  }

  /** Lets time pass. Throws CheckFailed if a check failed meanwhile. */
  async advance(byMs: number): Promise<void> {
    await this.scheduler.advance(byMs);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async kill(node: FakeNode): Promise<void> {
    this.#note(`${node.self} ends`);
    node.alive = false;
    await node.host[Symbol.asyncDispose]();
  }

  /** SIGTERM; a kill once it has stopped or its grace is over. */
  async stop(node: FakeNode, graceMs: number): Promise<void> {
    void node.host.shutdown();
    await this.advance(graceMs);
    await this.kill(node);
  }

  deleteLease(shard: number): void {
    const lease = this.lease(shard);
    const content = this.content(shard);
    if (lease === undefined || content === undefined) return;
    this.#operatorSaw.set(shard, content);
    this.#note(`Lease ${shard} deleted`);
    this.leases.objects.delete(lease.name, lease.uid);
  }

  lease(shard: number): Lease | undefined {
    return this.leases.objects.get(shardLeaseName(CLUSTER, shard));
  }

  content(shard: number): ShardLeaseContent | undefined {
    const lease = this.lease(shard);
    const parsed = lease === undefined ? undefined : parseShardLease(lease);
    return parsed?.ok ? parsed.content : undefined;
  }

  /** One pass of the operator, which never errs about who is gone. */
  operate(): void {
    for (let shard = 0; shard < this.shards; shard++) {
      const lease = this.lease(shard);
      const content = this.content(shard);
      if (lease === undefined || content === undefined) this.#createAnew(shard);
      else if (content.inSync.length > 0 && !content.inSync.some((member) => this.#lives(member))) {
        const { generation } = content;
        this.#write(lease, {
          ...content,
          generation: generation + 1,
          inSync: [],
          leader: undefined,
        });
      } else if (content.inSync.length === 0 && this.#random() < 0.05) {
        // Only of a shard that holds nothing: moves of data are none of this test.
        this.#write(lease, { ...content, assignment: [this.#anyNode()] });
      }
    }
  }

  /** Who serves the shard as its leader. */
  leadersOf(shard: number): FakeNode[] {
    return this.running.filter(({ serving }) => serving.get(shard)?.role === 'leader');
  }

  /** Rule 16: only when every running node has found it missing, or never knew one. */
  #createAnew(shard: number): void {
    const reports = this.running.flatMap((node) => node.reports.get(shard) ?? []);
    if (reports.some(({ lost }) => lost !== 'Missing')) return;
    const seen = [...reports, this.#operatorSaw.get(shard) ?? { epoch: 0, generation: 1 }];
    const epoch = Math.max(...seen.map((report) => report.epoch)) + 1;
    const generation = Math.max(...seen.map((report) => report.generation));
    const [leader] = this.leadersOf(shard);
    if (leader === undefined) {
      this.#create(shard, {
        epoch,
        generation: generation + 1,
        inSync: [],
        leader: undefined,
      });
      return;
    }
    const [node = '', incarnation = ''] = leader.self.split('/');
    const member = { node, incarnation };
    const named = this.#random() < 0.5;
    this.#create(shard, {
      epoch,
      generation,
      inSync: [member],
      leader: named ? member : undefined,
    });
  }

  #create(
    shard: number,
    given: Pick<ShardLeaseContent, 'epoch' | 'generation' | 'inSync' | 'leader'>,
  ): void {
    const assignment = [this.nodes[shard % this.nodes.length] ?? ''];
    const content = { ...newContent(assignment), ...given };
    this.#note(`operator creates ${shard} ${JSON.stringify(given)}`);
    const place = { cluster: CLUSTER, clusterId: CLUSTER_ID, shard };
    storeShardLease(this.leases, { ...place, content });
  }

  #write(lease: Lease, content: ShardLeaseContent): void {
    const revision = content.revision + 1;
    this.#note(`operator writes ${lease.name} ${JSON.stringify(content)}`);
    const change = formatShardLease({ ...content, revision }, this.scheduler.nowMs());
    this.leases.objects.put(changedRaw(lease, change));
  }

  #note(what: string): void {
    this.trace.push(`${this.scheduler.nowMs().toFixed()} ms: ${what}`);
  }

  /** Remembered, not thrown: it fails inside a callback of the code under test. */
  #check(holds: boolean, message: string): void {
    if (!holds) this.#failure ??= new CheckFailed([...this.trace, message].join('\n'));
  }

  #lives({ node, incarnation }: { node: string; incarnation: string }): boolean {
    return this.running.some(({ self }) => self === `${node}/${incarnation}`);
  }

  #anyNode(): string {
    return this.nodes[Math.floor(this.#random() * this.nodes.length)] ?? '';
  }

  #checkLeader(node: FakeNode, shard: number, serving: Serving & { role: 'leader' }): void {
    this.#note(`${node.self} leads ${shard} ${JSON.stringify(serving)}`);
    const where = `shard ${shard}, epoch ${serving.epoch}, generation ${serving.generation}`;
    this.#check(node.copies.has(shard), `${node.self} leads ${where} without a copy`);
    const one = `${shard}/${serving.epoch}`;
    const before = this.#epochs.get(one) ?? node.self;
    this.#check(before === node.self, `${before} and ${node.self} both led ${where}`);
    this.#epochs.set(one, node.self);
    // With one copy, whoever serves a generation holds its data: nobody else ever may.
    const life = `${shard}/${serving.generation}`;
    const holder = this.#generations.get(life) ?? node.self;
    this.#check(holder === node.self, `${node.self} claims the data of ${holder}: ${where}`);
    this.#generations.set(life, node.self);
    for (const other of this.leadersOf(shard)) {
      this.#check(other === node, `${other.self} still serves while ${node.self} begins: ${where}`);
    }
  }
}

export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}
