/**
 * Leadership is handed over while Redis clients write and read that do nothing but follow redirects: not one
 * operation fails, however late the nodes hear from the store what has become of the Leases, or whether it answers at all.
 */
import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import type { MemoryFault, MemoryRequest } from '@r-db/leases/memory.ts';
import {
  ClusterClient,
  type TransferLeadershipRequest,
  type TransferLeadershipResponse,
} from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { after, afterEach, before, describe, it } from 'mocha';
import { limits as replication } from '../replication/core/limits.ts';
import { failureOf } from '../server/grpc/testing/harness.ts';
import { RawClient } from '../server/testing/raw-client.ts';
import { freePorts } from './free-ports.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';
import { LOCALHOST } from './ports.ts';

const shards = 6;
const whole = { timeoutMs: 30_000 };
/** Longer than a hand-over takes otherwise, shorter than a promise. */
const lateMs = 300;
/** How long a node that is to leave is watched while the store is away. */
const awayMs = 500;
/** For an answer to come on a busy machine. */
const answeredMs = 1_000;
/** To the node that leads, and once more where that one has just handed over. */
const redirectsMost = 3;
const failuresShown = 2;
const moved = /^-MOVED \d+ .*:(\d+)$/;

/** Writes and reads one key, one operation after the other, until it is told to stop. */
class Plain {
  readonly failures: string[] = [];
  operations = 0;
  readonly #key: string;
  readonly #connections = new Map<number, RawClient>();
  readonly #running: Promise<void>;
  #port: number;
  #goes = true;

  constructor(key: string, port: number) {
    this.#key = key;
    this.#port = port;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#goes = false;
    await this.#running;
    for (const connection of this.#connections.values()) await connection[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    while (this.#goes) {
      const value = `${++this.operations}`;
      await this.#operate(['SET', this.#key, value], ['+OK']);
      await this.#operate(['GET', this.#key], [`$${value.length}`, value]);
    }
  }

  async #operate(words: readonly string[], expected: readonly string[]): Promise<void> {
    const way: string[] = [];
    for (let redirects = 0; redirects <= redirectsMost; redirects++) {
      const [first = '', ...others] = await this.#ask(words, expected.length);
      way.push(`${this.#port}: ${first}`);
      const port = moved.exec(first)?.[1];
      if (port === undefined) {
        if ([first, ...others].join() !== expected.join()) this.#fail(way);
        return;
      }
      this.#port = Number(port);
    }
    this.#fail(way);
  }

  /** The first ones are enough to see what is wrong. */
  #fail(way: readonly string[]): void {
    if (this.failures.length < failuresShown) this.failures.push(way.join(', '));
  }

  /** The lines of the reply; one, if it is an error. */
  async #ask(words: readonly string[], lines: number): Promise<string[]> {
    const connection = this.#connections.get(this.#port) ?? (await RawClient.connect(this.#port));
    this.#connections.set(this.#port, connection);
    const first = await connection.command(...words).line();
    const reply = [first];
    while (!first.startsWith('-') && reply.length < lines) reply.push(await connection.line());
    return reply;
  }
}

describe('a hand-over', function () {
  this.timeout(60_000);
  let cluster: LocalCluster;
  const stopping = Promise.withResolvers<void>();
  const keys = Array.from({ length: shards }, (_, shard) => keyOf(shard));

  before(async () => {
    cluster = await startLocalCluster({
      ports: await freePorts(3),
      shards,
      threads: 2,
      leader: 0,
      memoryLimitBytes: 512 * 1024 * 1024,
      onLine: (node, line) => {
        if (node === 'local-0' && line.includes('"stopping"')) stopping.resolve();
      },
    });
  });
  after(() => cluster[Symbol.asyncDispose]());
  afterEach(() => {
    cluster.setFault(() => undefined);
    cluster.setOutage('none');
  });

  /** Plain clients of all shards work while `act` goes on and a moment longer. */
  const during = async (act: (clients: readonly Plain[]) => Promise<void>): Promise<void> => {
    await cluster.until((all) => all.every(({ inSync }) => inSync.length === 3), whole);
    const clients = keys.map((key) => new Plain(key, cluster.ports[0]?.resp ?? 0));
    await going(clients);
    await act(clients);
    await going(clients);
    for (const client of clients) await client.stop();
    expect(clients.flatMap(({ failures }) => failures)).to.deep.equal([]);
  };

  const transfer = async (shard: number, to: string): Promise<void> => {
    const leader = cluster.shard(shard).leader?.node ?? '';
    const port = cluster.ports[Number(leader.slice('local-'.length))]?.grpc;
    const caller = new ClusterClient(`${LOCALHOST}:${port}`, credentials.createInsecure());
    const call = promisify<TransferLeadershipRequest, TransferLeadershipResponse>(
      caller.transferLeadership.bind(caller),
    );
    await call({ shard, to }).finally(() => caller.close());
  };

  /** Of one node's view of the Leases. */
  const late =
    (node: string, fault: MemoryFault, verbs: readonly MemoryRequest['verb'][]) =>
    ({ client, verb }: MemoryRequest): MemoryFault | undefined =>
      client === node && verbs.includes(verb) ? fault : undefined;

  it('is heard of by the old leader only after the new one leads', async () => {
    cluster.setFault(late('local-0', { replyDelayMs: lateMs }, ['update', 'event']));
    await during(() => transfer(0, 'local-1'));
  });

  it('is heard of by the new leader only from the old one', async () => {
    cluster.setFault(late('local-1', { replyDelayMs: lateMs }, ['event']));
    await during(() => transfer(1, 'local-1'));
  });

  it('takes the store longer than a promise', async () => {
    cluster.setFault(late('local-0', { requestDelayMs: 1_200 }, ['update']));
    await during(() => transfer(2, 'local-2'));
  });

  it('does not begin while the store is away: the leader says so in bounded time, and serves on', async () => {
    const [shard, key] = [3, keys[3] ?? ''];
    await cluster.until((all) => all.every(({ inSync }) => inSync.length === 3), whole);
    const before = cluster.shard(shard);
    for (const [outage, atMostMs] of [
      ['frozen', replication.handOverAskMs + answeredMs],
      ['refusing', answeredMs],
    ] as const) {
      cluster.setOutage(outage);
      const client = new Plain(key, cluster.ports[0]?.resp ?? 0);
      await going([client]);
      const begunMs = performance.now();
      const asked = failureOf(transfer(shard, 'local-1'));
      await going([client]);
      const { reason, message } = await asked;
      const tookMs = performance.now() - begunMs;
      // One that the leader had begun would be of unknown fate now, and this would wait for its end.
      await going([client]);
      await client.stop();
      expect(client.failures, outage).to.deep.equal([]);
      expect(reason, outage).to.equal('SHARD_MOVING');
      expect(message, outage).to.match(/the API server does not answer \(.+\); the leader stays/);
      expect(tookMs, outage).to.be.below(atMostMs);
    }
    cluster.setOutage('none');
    expect(cluster.shard(shard)).to.deep.equal(before);
    await during(() => transfer(shard, 'local-1'));
    expect(cluster.shard(shard).leader?.node).to.equal('local-1');
  });

  it('of all that a node leads fails nothing either, though the store is away at first, and then slow', async () => {
    cluster.setFault(
      late('local-0', { requestDelayMs: 100, replyDelayMs: 100 }, ['update', 'event']),
    );
    await during(async (clients) => {
      cluster.setOutage('frozen');
      cluster.nodes[0]?.signal('SIGTERM');
      await stopping.promise;
      // All are served by the node that is to leave, longer than any of them would wait for another leader.
      const ledBefore = keys.map((_, shard) => cluster.shard(shard).leader?.node);
      const untilMs = performance.now() + awayMs;
      while (performance.now() < untilMs) await going(clients);
      expect(keys.map((_, shard) => cluster.shard(shard).leader?.node)).to.deep.equal(ledBefore);
      cluster.setOutage('none');
      await cluster.until((all) => all.every(({ leader }) => leader?.node !== 'local-0'), whole);
    });
  });
});

/** A key of the shard. */
function keyOf(shard: number): string {
  for (let number = 0; ; number++) {
    if (keyToShard(`key-${number}`, shards) === shard) return `key-${number}`;
  }
}

/** Each has had some more operations answered. */
async function going(clients: readonly Plain[]): Promise<void> {
  const wanted = clients.map(({ operations }) => operations + 20);
  while (clients.some(({ operations }, index) => operations < (wanted[index] ?? 0))) {
    await new Promise(setImmediate);
  }
}
