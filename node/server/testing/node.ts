/** A whole node as a process of its own, with Leases served from the test's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { serveLeasesOnSocket } from '@r-db/leases/channel-socket.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import type { LeaseAdmin } from '@r-db/leases/store.ts';
import { freePort } from '../../dev/free-ports.ts';
import { makeLeases } from '../../dev/leases.ts';
import { compileCache } from '../../dev/local-cluster.ts';

const mainScript = fileURLToPath(new URL('../../main.ts', import.meta.url));

/** Leases of a cluster `demo` of one node, and the folder for what belongs to it. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly leases: LeaseAdmin;
  readonly shards: number;
  readonly #serving: AsyncDisposable;

  private constructor(parts: {
    readonly folder: string;
    readonly leases: LeaseAdmin;
    readonly shards: number;
    readonly serving: AsyncDisposable;
  }) {
    this.folder = parts.folder;
    this.leases = parts.leases;
    this.shards = parts.shards;
    this.#serving = parts.serving;
  }

  static async start(shards = 8): Promise<TestCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'rdb-node-'));
    const leases = new MemoryLeases({ scheduler: realScheduler }).client('test');
    await makeLeases(leases, {
      cluster: 'demo',
      clusterId: 'b7a1',
      nodes: 1,
      shards,
      replicationFactor: 1,
    });
    const serving = await serveLeasesOnSocket({ path: join(folder, 'leases'), store: leases });
    return new TestCluster({ folder, leases, shards, serving });
  }

  async environment(): Promise<Record<string, string>> {
    return {
      PATH: process.env['PATH'] ?? '',
      RDB_CLUSTER: 'demo',
      RDB_CLUSTER_ID: 'b7a1',
      RDB_NODE: 'demo-0',
      RDB_POD_UID: 'pod',
      RDB_SHARDS: String(this.shards),
      RDB_HASH_SEED: '0123456789abcdef',
      RDB_THREADS: '1',
      RDB_BIND_ADDRESS: '127.0.0.1',
      RDB_ADVERTISE_HOST: '127.0.0.1',
      RDB_RESP_PORT: String(await freePort()),
      RDB_GRPC_PORT: String(await freePort()),
      RDB_METRICS_PORT: String(await freePort()),
      RDB_MEMORY_LIMIT: '1Gi',
      RDB_LEASES: `socket:${join(this.folder, 'leases')}`,
      RDB_SHUTDOWN_GRACE_SECONDS: '5',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serving[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class ChildNode implements AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  readonly child: ChildProcess;
  /** Everything that it wrote. */
  output = '';
  readonly #exited: Promise<unknown>;
  #changed: (() => void) | undefined;

  constructor(environment: Readonly<Record<string, string>>, flags: readonly string[] = []) {
    this.environment = environment;
    this.child = spawn(process.execPath, [mainScript, ...flags], {
      env: { NODE_COMPILE_CACHE: compileCache, ...environment },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        this.#changed?.();
      });
    }
    this.#exited = once(this.child, 'close').then(() => this.#changed?.());
  }

  get respPort(): number {
    return Number(this.environment['RDB_RESP_PORT']);
  }

  /** Resolves when the output contains `text`; rejects when the process ends before. */
  async said(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without saying ${JSON.stringify(text)}:\n${this.output}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Resolves when it leads every shard. */
  async leads(shards: number): Promise<void> {
    for (let shard = 0; shard < shards; shard++) {
      await this.said(`"shard":${shard},"epoch":`);
    }
  }

  /** The exit code. */
  async exit(): Promise<number | null> {
    await this.#exited;
    return this.child.exitCode;
  }

  http(path: string, accept = ''): Promise<Response> {
    const url = `http://127.0.0.1:${this.environment['RDB_METRICS_PORT']}${path}`;
    return fetch(url, { headers: { accept, connection: 'close' } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exited;
  }
}
