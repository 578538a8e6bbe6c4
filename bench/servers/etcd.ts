/** etcd of several members on this machine, without fsync: nothing else here writes to disk either. */
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Child, outputOf, startChild } from '../process.ts';
import type { Contender } from './contender.ts';

/** A command that runs etcd: the program, and what stands before etcd's own arguments. */
export interface EtcdProgram {
  readonly command: string;
  readonly argv: readonly string[];
}

export interface EtcdMember {
  readonly port: number;
  readonly peerPort: number;
  /** Undefined while it is not running. */
  child: Child | undefined;
}

export class EtcdCluster implements AsyncDisposable {
  readonly version: string;
  readonly members: readonly EtcdMember[];
  readonly #program: EtcdProgram;
  readonly #directory: string;

  static async start(program: EtcdProgram, count: number): Promise<EtcdCluster> {
    const told = await outputOf(program.command, [...program.argv, '--version'], 'etcd-server');
    const version = /etcd Version: ([\d.]+)/.exec(told)?.[1] ?? 'unknown';
    const members: EtcdMember[] = [];
    for (let i = 0; i < count; i++) {
      members.push({ port: await freePort(), peerPort: await freePort(), child: undefined });
    }
    const directory = await mkdtemp(join(tmpdir(), 'rdb-bench-etcd-'));
    const cluster = new EtcdCluster(program, { version, members, directory });
    try {
      await Promise.all(members.map((_, i) => cluster.startMember(i, 'new')));
      await cluster.leader();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  private constructor(
    program: EtcdProgram,
    made: {
      readonly version: string;
      readonly members: readonly EtcdMember[];
      readonly directory: string;
    },
  ) {
    this.version = made.version;
    this.members = made.members;
    this.#program = program;
    this.#directory = made.directory;
  }

  /** Starts a member, with the data that it left if `state` is `existing`, and waits until it serves. */
  async startMember(index: number, state: 'new' | 'existing'): Promise<void> {
    const member = this.members[index];
    if (member === undefined) throw new RangeError(`there is no member ${index}`);
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    const cluster = this.members.map(({ peerPort }, i) => `m${i}=${url(peerPort)}`).join(',');
    const flags = {
      name: `m${index}`,
      'data-dir': join(this.#directory, `m${index}`),
      'listen-client-urls': url(member.port),
      'advertise-client-urls': url(member.port),
      'listen-peer-urls': url(member.peerPort),
      'initial-advertise-peer-urls': url(member.peerPort),
      'initial-cluster': cluster,
      'initial-cluster-state': state,
      'log-level': 'error',
      'quota-backend-bytes': String(8 * 2 ** 30),
    };
    const named = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const argv = [...this.#program.argv, '--unsafe-no-fsync', ...named];
    member.child = await startChild({
      command: this.#program.command,
      argv,
      debianPackage: 'etcd-server',
      isReady: async () => (await metrics(member.port)).includes('etcd_server_has_leader 1'),
    });
  }

  /** Index of the member that leads. */
  async leader(): Promise<number> {
    const begin = performance.now();
    while (performance.now() - begin < limits.readyTimeoutMs) {
      const told = await Promise.all(this.members.map(({ port }) => metrics(port).catch(() => '')));
      const found = told.findIndex((text) => text.includes('etcd_server_is_leader 1'));
      if (found >= 0) return found;
      await new Promise((resolve) => setTimeout(resolve, limits.readyPollMs));
    }
    throw new BenchError('etcd has no leader');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(({ child }) => child?.[Symbol.asyncDispose]()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Measured through its leader: what goes to another member has one more way. */
export async function startEtcd(program: EtcdProgram, count: number): Promise<Contender> {
  const cluster = await EtcdCluster.start(program, count);
  const leader = await cluster.leader();
  return {
    title: `etcd ${cluster.version}, ${count} members`,
    load: { port: cluster.members[leader]?.port ?? 0, protocol: 'etcd' },
    pids: cluster.members.flatMap(({ child }) => child?.pid ?? []),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function metrics(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: '/metrics', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.setTimeout(limits.readyTimeoutMs, () => request.destroy());
    request.on('error', reject);
  });
}
