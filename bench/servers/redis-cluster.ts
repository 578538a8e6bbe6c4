/** Redis Cluster: masters with one replica each, nothing written to disk but the list of its nodes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { shardToSlots } from '@r-db/proto/slots.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Child, outputOf, startChild } from '../process.ts';
import { ask, lines } from './text.ts';

const debianPackage = 'redis-server';

interface RedisNode {
  readonly port: number;
  readonly busPort: number;
  child: Child | undefined;
}

export class RedisCluster implements AsyncDisposable {
  readonly version: string;
  readonly nodes: readonly RedisNode[];
  readonly masters: number;
  readonly #nodeTimeoutMs: number;
  readonly #directory: string;

  static async start({
    masters,
    nodeTimeoutMs,
  }: {
    readonly masters: number;
    readonly nodeTimeoutMs: number;
  }): Promise<RedisCluster> {
    const told = await outputOf('redis-server', ['--version'], debianPackage);
    const version = /v=([\d.]+)/.exec(told)?.[1] ?? 'unknown';
    const nodes: RedisNode[] = [];
    for (let i = 0; i < 2 * masters; i++) {
      nodes.push({ port: await freePort(), busPort: await freePort(), child: undefined });
    }
    const directory = await mkdtemp(join(tmpdir(), 'rdb-bench-redis-'));
    const cluster = new RedisCluster({ version, nodes, masters, nodeTimeoutMs, directory });
    try {
      await cluster.#form();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  private constructor(made: {
    readonly version: string;
    readonly nodes: readonly RedisNode[];
    readonly masters: number;
    readonly nodeTimeoutMs: number;
    readonly directory: string;
  }) {
    this.version = made.version;
    this.nodes = made.nodes;
    this.masters = made.masters;
    this.#nodeTimeoutMs = made.nodeTimeoutMs;
    this.#directory = made.directory;
  }

  /** SIGKILL to the master that has the slots of this group now. */
  async killMasterOf(group: number): Promise<void> {
    const { firstSlot } = shardToSlots(group, this.masters);
    for (const node of this.nodes) {
      if (node.child === undefined) continue;
      const told = await nodesSeenBy(node.port);
      const mine = told.find((line) => line.includes('myself,master'));
      if (mine === undefined || !mine.includes(` ${firstSlot}-`)) continue;
      process.kill(node.child.pid, 'SIGKILL');
      node.child = undefined;
      return;
    }
    throw new BenchError(`no master has slot ${firstSlot}`);
  }

  /** Starts what was killed, and waits until each master has its replica. */
  async restore(): Promise<void> {
    for (const [i, node] of this.nodes.entries()) if (node.child === undefined) await this.#run(i);
    await this.#untilWhole();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map(({ child }) => child?.[Symbol.asyncDispose]()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #form(): Promise<void> {
    for (let i = 0; i < this.nodes.length; i++) await this.#run(i);
    const [first] = this.nodes;
    if (first === undefined) throw new BenchError('a cluster needs nodes');
    for (const [i, { port }] of this.nodes.entries()) {
      const { firstSlot, lastSlot } = shardToSlots(i % this.masters, this.masters);
      // Else each adds the slots in the same epoch, and they must settle that first.
      await order(port, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`);
      if (i < this.masters) await order(port, `CLUSTER ADDSLOTSRANGE ${firstSlot} ${lastSlot}`);
      if (i > 0) await order(port, `CLUSTER MEET 127.0.0.1 ${first.port} ${first.busPort}`);
    }
    await until('all nodes know each other', async () => {
      const seen = await Promise.all(this.nodes.map(({ port }) => nodesSeenBy(port)));
      return seen.every(
        (told) => told.filter((line) => !line.includes('handshake')).length === this.nodes.length,
      );
    });
    for (const [i, { port }] of this.nodes.entries()) {
      if (i < this.masters) continue;
      const master = this.nodes[i - this.masters];
      const id = await ask(master?.port ?? 0, 'CLUSTER MYID\r\n', lines(2));
      await order(port, `CLUSTER REPLICATE ${id.split('\r\n')[1]}`);
    }
    await this.#untilWhole();
  }

  #untilWhole(): Promise<void> {
    return until('every master has its replica', async () => {
      const told = await Promise.all(this.nodes.map(({ port }) => infoOf(port)));
      const masters = told.filter((info) => info.includes('role:master'));
      return (
        told.every((info) => info.includes('cluster_state:ok')) &&
        masters.length === this.masters &&
        masters.every((info) => info.includes('state=online')) &&
        told.every((info) => info.includes('role:master') || info.includes('master_link_status:up'))
      );
    });
  }

  async #run(index: number): Promise<void> {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    const { port, busPort } = node;
    const settings = {
      port,
      'cluster-port': busPort,
      bind: '127.0.0.1',
      save: '',
      appendonly: 'no',
      dir: this.#directory,
      'cluster-enabled': 'yes',
      'cluster-config-file': `nodes-${index}.conf`,
      'cluster-node-timeout': this.#nodeTimeoutMs,
      'repl-diskless-sync-delay': 0,
    };
    node.child = await startChild({
      command: 'redis-server',
      argv: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      debianPackage,
      isReady: async () =>
        /^[+-](PONG|MASTERDOWN|LOADING)/.test(await ask(port, 'PING\r\n', lines(1))),
    });
  }
}

async function order(port: number, words: string): Promise<void> {
  const answer = await ask(port, `${words}\r\n`, lines(1));
  if (!answer.startsWith('+OK')) throw new BenchError(`${words}: ${answer.trim()}`);
}

/** Lines of CLUSTER NODES. */
async function nodesSeenBy(port: number): Promise<string[]> {
  const told = await askBulk(port, 'CLUSTER NODES');
  return told.split('\n').filter((line) => line !== '');
}

/** INFO replication and CLUSTER INFO together. */
async function infoOf(port: number): Promise<string> {
  return (await askBulk(port, 'INFO replication')) + (await askBulk(port, 'CLUSTER INFO'));
}

/** The text of an answer that is one bulk string. */
async function askBulk(port: number, question: string): Promise<string> {
  const headOf = (answer: string): string => answer.slice(0, answer.indexOf('\r\n') + 2);
  const isWhole = (answer: string): boolean => {
    const head = headOf(answer);
    return head !== '' && answer.length >= head.length + Number(head.slice(1)) + 2;
  };
  const answer = await ask(port, `${question}\r\n`, (text) => text[0] !== '$' || isWhole(text));
  return answer.slice(headOf(answer).length, -2);
}

async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  const begin = performance.now();
  while (!(await test().catch(() => false))) {
    if (performance.now() - begin > limits.wholeTimeoutMs) {
      throw new BenchError(`Redis Cluster: ${what}: not after ${limits.wholeTimeoutMs} ms`);
    }
    await delay(limits.clusterPollMs);
  }
}
