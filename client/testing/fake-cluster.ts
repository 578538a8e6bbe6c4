/**
 * Nodes that speak rdb.v1 over real gRPC on free ports, with maps for data and faults to order: what
 * the client does about redirects, failovers and broken connections can be shown with them.
 */
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { ReasonName } from '@r-db/proto/errors.ts';
import { ErrorInfo } from '@r-db/proto/generated/google/rpc/error_details.ts';
import { Status } from '@r-db/proto/generated/google/rpc/status.ts';
import {
  type ClusterServer,
  ClusterService,
  type LastFailover,
  type ShardInfo,
  type TopologyRequest,
  type TopologyResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { Consistency, type RequestId } from '@r-db/proto/generated/rdb/v1/common.ts';
import { ErrorReason, type OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import {
  type BatchRequest,
  type BatchResponse,
  type KeyValueServer,
  KeyValueService,
  type Operation,
  type ScanRequest,
  type ScanResponse,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { keyToShard, shardToSlots } from '@r-db/proto/slots.ts';
import { FakeShard, failed, type Outcome, versionOf } from './fake-shard.ts';

/** How old followers call their answers. */
export const FAKE_STALENESS_MS = 7;

/**
 * What comes of a batch instead of an answer: a reason for each operation, or the connection breaks, or nothing ever comes. `before`: and nothing
 * is executed; `after`: it is. `late`: it hangs, and is executed behind the batch that comes after it.
 */
export type Fault =
  | ReasonName
  | 'break'
  | 'hang'
  | 'late'
  | { readonly after: ReasonName | 'break' | 'hang' };

export interface FakeNode {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Sizes of the batches that came, and the keys in them. */
  readonly batches: string[][];
  /** What comes of the next batches. */
  readonly faults: Fault[];
  /** Executes the next batches, and breaks the connection instead of answering. */
  breaksAfterExecuting: number;
  /** While set, batches wait for it. */
  hold: Promise<void> | undefined;
  /** What the next orders of hand-overs are answered, as SHARD_MOVING. */
  readonly handOverRefusals: HandOverRefusal[];
  /** The gRPC port that the topology names. */
  toldPort: number;
  /** While true, topology streams stay open and tell nothing. */
  silent: boolean;
  /** Breaks all connections and listens no more. */
  kill(): void;
  openTopologies(): number;
}

export interface HandOverRefusal {
  readonly message: string;
  readonly afterMs: number;
}

export interface FakeCluster extends AsyncDisposable {
  readonly nodes: readonly FakeNode[];
  /** Changes the leader of a shard (undefined: none) and tells it to those who follow the topology. */
  lead(shard: number, node: number | undefined): void;
  /** What is told from the next change of the shard's leader on. */
  readonly failovers: Map<number, LastFailover>;
  /** The same, but nobody is told: clients learn it from NOT_LEADER. */
  leadSilently(shard: number, node: number | undefined): void;
  /** Shards forget what sessions wrote; unknown ones that started before this time are ended. */
  endSessions(beforeMs: number): void;
  /** The leader of the shard of a key. */
  leaderOf(key: string): FakeNode;
}

export async function startFakeCluster({
  nodes: count = 3,
  shards = 8,
  retriesOnce = true,
} = {}): Promise<FakeCluster> {
  const cluster = new Cluster(shards, retriesOnce);
  for (let i = 0; i < count; i++) cluster.nodes.push(await Node.start(cluster, `fake-${i}`));
  for (let shard = 0; shard < shards; shard++) cluster.leaders[shard] = shard % count;
  return cluster;
}

class Cluster implements FakeCluster {
  readonly nodes: Node[] = [];
  readonly leaders: (number | undefined)[] = [];
  readonly epochs: number[] = [];
  readonly failovers = new Map<number, LastFailover>();
  readonly data: FakeShard[];
  readonly retriesOnce: boolean;
  version = 0;

  constructor(shards: number, retriesOnce: boolean) {
    this.retriesOnce = retriesOnce;
    this.data = Array.from({ length: shards }, () => new FakeShard());
    this.epochs = this.data.map(() => 1);
  }

  lead(shard: number, node: number | undefined): void {
    this.leadSilently(shard, node);
    for (const one of this.nodes) one.tellTopology([shard]);
  }

  leadSilently(shard: number, node: number | undefined): void {
    this.leaders[shard] = node;
    this.epochs[shard] = (this.epochs[shard] ?? 0) + 1;
  }

  endSessions(beforeMs: number): void {
    for (const shard of this.data) shard.endSessions(beforeMs);
  }

  leaderOf(key: string): Node {
    const node = this.nodes[this.leaders[keyToShard(key, this.data.length)] ?? -1];
    if (node === undefined) throw new Error(`nobody leads the shard of ${key}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) node.kill();
  }
}

class Node implements FakeNode {
  readonly name: string;
  readonly port: number;
  toldPort: number;
  readonly batches: string[][] = [];
  readonly faults: FakeNode['faults'] = [];
  breaksAfterExecuting = 0;
  readonly handOverRefusals: HandOverRefusal[] = [];
  hold: Promise<void> | undefined;
  silent = false;
  readonly #cluster: Cluster;
  readonly #server: Server;
  readonly #late: (() => void)[] = [];
  readonly #followers = new Set<ServerWritableStream<TopologyRequest, TopologyResponse>>();

  static async start(cluster: Cluster, name: string): Promise<Node> {
    const server = new Server({
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return new Node(cluster, { name, port, server });
  }

  constructor(
    cluster: Cluster,
    { name, port, server }: { name: string; port: number; server: Server },
  ) {
    this.#cluster = cluster;
    this.#server = server;
    this.name = name;
    this.port = port;
    this.toldPort = port;
    server.addService(KeyValueService, this.#keyValue());
    server.addService(ClusterService, this.#clusterService());
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  kill(): void {
    this.#server.forceShutdown();
  }

  openTopologies(): number {
    return this.#followers.size;
  }

  tellTopology(shards: readonly number[]): void {
    if (this.silent) return;
    for (const follower of this.#followers) follower.write(this.#topology(shards, false));
  }

  #keyValue(): KeyValueServer {
    const unused = (): never => {
      throw new Error('the client uses Batch and Scan only');
    };
    const names = ['get', 'set', 'delete', 'increment', 'append', 'touch', 'stream', 'watch'];
    return {
      ...(Object.fromEntries(names.map((name) => [name, unused])) as unknown as KeyValueServer),
      batch: (call, callback) => void this.#batch(call, callback),
      scan: (call) => this.#scan(call),
    };
  }

  #clusterService(): ClusterServer {
    return {
      topology: (call) => {
        this.#followers.add(call);
        call.on('cancelled', () => this.#followers.delete(call));
        if (!this.silent) call.write(this.#topology(this.#cluster.leaders.keys(), true));
      },
      stats: (_call, callback) =>
        callback(null, {
          node: this.name,
          incarnation: '00000000000000ab',
          version: '0.1.0',
          uptimeMs: 61_000n,
          memory: {
            budget: 1_073_741_824n,
            used: 104_857_600n,
            records: 0n,
            index: 0n,
            buffers: 0n,
          },
          shards: [...this.#cluster.leaders.keys()].map((shard) => ({
            shard,
            leader: this.#leads(shard),
            epoch: BigInt(this.#cluster.epochs[shard] ?? 0),
            generation: 1n,
            sequence: this.#leads(shard) ? 9n : 7n,
            keys: BigInt(this.#cluster.data[shard]?.records.size ?? 0),
            bytes: 64n * BigInt(this.#cluster.data[shard]?.records.size ?? 0),
          })),
          connections: 1,
          expiredKeys: 0n,
        }),
      transferLeadership: ({ request: { shard, to } }, callback) => {
        const elsewhere = this.#elsewhere(shard);
        const refusal = this.handOverRefusals.shift();
        if (refusal !== undefined) setTimeout(() => callback(refused(refusal)), refusal.afterMs);
        else if (elsewhere !== undefined) callback(statusOf(9, elsewhere.message, elsewhere));
        else {
          const heir = this.#cluster.nodes.findIndex(({ name }) => name === to);
          if (heir < 0) callback(statusOf(3, `there is no node ${to}`));
          else {
            this.#cluster.lead(shard, heir);
            callback(null, { epoch: BigInt(this.#cluster.epochs[shard] ?? 0) });
          }
        }
      },
      moveReplica: () => undefined,
    };
  }

  async #batch(
    call: ServerUnaryCall<BatchRequest, BatchResponse>,
    callback: sendUnaryData<BatchResponse>,
  ): Promise<void> {
    const { operations } = call.request;
    this.batches.push(
      operations.map(({ request }) => Buffer.from(request?.value.key ?? []).toString()),
    );
    await this.hold;
    const fault = this.faults.shift();
    const id = call.request.requestId;
    const run = (): Outcome[] =>
      operations.map((operation, i) =>
        this.#execute(operation, id && { ...id, number: id.number + BigInt(i) }),
      );
    if (fault === 'late') {
      this.#late.push(run);
      return;
    }
    const executed = fault === undefined || typeof fault === 'object' ? run() : undefined;
    for (const late of this.#late.splice(0)) late();
    const instead = typeof fault === 'object' ? fault.after : fault;
    if (this.breaksAfterExecuting > 0) this.breaksAfterExecuting--;
    else if (instead !== 'break') {
      if (instead === 'hang') return;
      const outcomes =
        instead === undefined ? executed : operations.map(() => failed(instead, 'as ordered'));
      callback(null, { results: (outcomes ?? []).map((outcome) => ({ outcome })) });
      return;
    }
    this.#breakConnections();
  }

  /** Without a word, as when a machine dies; the port stays open. */
  #breakConnections(): void {
    const { sessions } = this.#server as unknown as { sessions: Map<{ destroy(): void }, unknown> };
    for (const session of [...sessions.keys()]) session.destroy();
  }

  #execute({ request }: Operation, idByPlace: RequestId | undefined): Outcome {
    if (request === undefined) return failed('INVALID', 'no request');
    const shard = keyToShard(request.value.key, this.#cluster.data.length);
    const elsewhere = this.#elsewhere(shard);
    const anyReplica =
      request.$case === 'get' && request.value.consistency === Consistency.ANY_REPLICA;
    if (elsewhere !== undefined && !anyReplica) return { $case: 'error', value: elsewhere };
    const data = this.#cluster.data[shard];
    if (data === undefined) return failed('INVALID', 'no such shard');
    if (request.$case === 'get') return data.get(request.value, elsewhere && FAKE_STALENESS_MS);
    const id = this.#cluster.retriesOnce ? (request.value.requestId ?? idByPlace) : undefined;
    return data.write(request, id);
  }

  /** Pages of two keys; the token is the shard and the last key told. Breaks where it is told to, between pages. */
  #scan(call: ServerWritableStream<ScanRequest, ScanResponse>): void {
    const { shards, resumeToken, match, withValues } = call.request;
    const [place = '', after = ''] = Buffer.from(resumeToken).toString('latin1').split(/:(.*)/s);
    const first = place === '' ? 0 : shards.indexOf(Number(place));
    if (first < 0) return void call.emit('error', statusOf(3, 'the token is of another shard'));
    const prefix = Buffer.from(match).toString().replace(/\*$/, '');
    for (const [i, shard] of shards.slice(first).entries()) {
      const elsewhere = this.#elsewhere(shard);
      if (elsewhere !== undefined)
        return void call.emit('error', statusOf(9, elsewhere.message, elsewhere));
      const names = [...(this.#cluster.data[shard]?.records.keys() ?? [])].sort();
      let rest = names.filter((name) => i > 0 || name > after);
      do {
        const page = rest.slice(0, 2);
        rest = rest.slice(2);
        const next = shards[first + i + 1];
        const token =
          rest.length > 0 ? `${shard}:${page.at(-1)}` : next === undefined ? '' : `${next}:`;
        const entries = page
          .filter((name) => name.startsWith(prefix))
          .flatMap((name) => this.#cluster.data[shard]?.records.get(name) ?? [])
          .map(({ key, value, version, expireAtMs }) => ({
            key,
            version: versionOf(version),
            ...(withValues ? { value } : {}),
            ...(expireAtMs === undefined ? {} : { expireAtMs }),
          }));
        call.write({ entries, resumeToken: Buffer.from(token, 'latin1'), shard });
        if (this.breaksAfterExecuting > 0) {
          this.breaksAfterExecuting--;
          setImmediate(() => this.#breakConnections());
          return;
        }
      } while (rest.length > 0);
    }
    call.end();
  }

  #elsewhere(shard: number): OperationError | undefined {
    const leader = this.#cluster.leaders[shard];
    const node = leader === undefined ? undefined : this.#cluster.nodes[leader];
    if (node === this) return undefined;
    const none = { message: 'as it is', leader: undefined };
    if (node === undefined) return { ...none, reason: ErrorReason.NO_LEADER, retryAfterMs: 1 };
    const grpc = { host: '127.0.0.1', port: node.port };
    return {
      ...none,
      reason: ErrorReason.NOT_LEADER,
      leader: { shard, node: node.name, grpc, resp: grpc },
    };
  }

  #leads(shard: number): boolean {
    return this.#cluster.nodes[this.#cluster.leaders[shard] ?? -1] === this;
  }

  #topology(shards: Iterable<number>, complete: boolean): TopologyResponse {
    const { nodes, data } = this.#cluster;
    return {
      clusterId: 'fake-cluster-uid',
      version: BigInt(++this.#cluster.version),
      complete,
      nodes: complete ? nodes.map((node, i) => node.info(i)) : [],
      removedNodes: [],
      shards: [...shards].map((shard) => this.#shardInfo(shard)),
      shardsTotal: data.length,
      info: complete
        ? {
            cluster: 'fake',
            node: this.name,
            version: '0.1.0',
            retriesOnce: this.#cluster.retriesOnce,
            keyBytesMax: 65_536,
            valueBytesMax: 16_777_216,
          }
        : undefined,
    };
  }

  info(i: number): TopologyResponse['nodes'][number] {
    return {
      name: this.name,
      id: String(i).repeat(40),
      incarnation: '00000000000000ab',
      grpc: { host: '127.0.0.1', port: this.toldPort },
      resp: { host: '127.0.0.1', port: 6379 + i },
      zone: `zone-${i}`,
      host: 'machine',
    };
  }

  #shardInfo(shard: number): ShardInfo {
    const leader = this.#cluster.nodes[this.#cluster.leaders[shard] ?? -1]?.name ?? '';
    const names = this.#cluster.nodes.map(({ name }) => name);
    return {
      shard,
      ...shardToSlots(shard, this.#cluster.data.length),
      leader,
      followers: names.filter((name) => name !== leader),
      inSync: names,
      epoch: BigInt(this.#cluster.epochs[shard] ?? 0),
      generation: 1n,
      lastFailover: this.#cluster.failovers.get(shard),
    };
  }
}

/** A failed call, with the leader in google.rpc.ErrorInfo as real nodes tell it. */
const refused = ({ message }: HandOverRefusal): Error =>
  withReason({ code: 14, details: message, reason: 'SHARD_MOVING', metadata: {} });

function statusOf(code: number, details: string, { leader }: Partial<OperationError> = {}): Error {
  if (leader?.grpc === undefined) {
    return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
  }
  const { shard, node, grpc } = leader;
  const metadata = { shard: String(shard), leader: node, grpc: `${grpc.host}:${grpc.port}` };
  return withReason({ code, details, reason: 'NOT_LEADER', metadata });
}

function withReason(told: {
  readonly code: number;
  readonly details: string;
  readonly reason: ReasonName;
  readonly metadata: Record<string, string>;
}): Error {
  const { code, details, reason, metadata: more } = told;
  const info = ErrorInfo.encode({ reason, domain: 'rdb.dev', metadata: more }).finish();
  const any = { typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: info };
  const encoded = Status.encode({ code, message: details, details: [any] }).finish();
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(encoded));
  return Object.assign(new Error(details), { code, details, metadata });
}
