/**
 * Processes of real nodes for the pods of a World: their Leases are those of its API server, the files of their
 * configuration its ConfigMap, readiness is what they answer. As the kubelet does, a process is started for each
 * pod, ended by SIGTERM when the pod goes, and started again in the same pod when it dies.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { type SocketServer, serveLeasesOnSocket } from '@r-db/leases/channel-socket.ts';
import { KubernetesLeases } from '@r-db/leases/kubernetes.ts';
import { freePort } from '@r-db/node/dev/free-ports.ts';
import { ChildNode } from '@r-db/node/server/testing/node.ts';
import { askReplicas } from '@r-db/operator/ask.ts';
import type { Pod } from '@r-db/operator/objects.ts';
import type { World } from '@r-db/operator/testing/world.ts';

/** Far above what an idle machine needs: this one may be busy. */
const FOREVER_MS = 120_000;
const LOOK_AGAIN_MS = 100;

export class RealNodes implements AsyncDisposable {
  readonly #world: World;
  readonly #folder: string;
  readonly #serving: SocketServer;
  /** By node. */
  readonly #processes = new Map<string, { readonly pod: Pod; readonly child: ChildNode }>();
  readonly #ports = new Map<string, Readonly<Record<string, string>>>();
  #wake = (): void => {};

  static async start(world: World): Promise<RealNodes> {
    const folder = mkdtempSync(join(tmpdir(), 'rdb-operator-'));
    const store = new KubernetesLeases({ client: world.client, namespace: 'default' });
    const serving = await serveLeasesOnSocket({ path: join(folder, 'leases'), store });
    return new RealNodes(world, folder, serving);
  }

  private constructor(world: World, folder: string, serving: SocketServer) {
    this.#world = world;
    this.#folder = folder;
    this.#serving = serving;
    world.kubernetes.nodesAct = false;
    world.api.objects.onChange(() => this.#wake());
    world.tools = { ...world.tools, askReplicas: (address) => this.#ask(address) };
  }

  /** The process of a node dies. */
  kill(node: string): void {
    this.#processes.get(node)?.child.child.kill('SIGKILL');
  }

  /** Where clients find some node. */
  get address(): { readonly host: string; readonly port: number } {
    const [node] = this.#processes.keys();
    const child = this.#processes.get(node ?? '')?.child;
    if (node === undefined || child === undefined) throw new Error('no node runs');
    return { host: hostOf(node), port: child.respPort };
  }

  /** Lets operator, Kubernetes and nodes act until `done`. Rejects after two minutes, with what stands in the status. */
  async converge(done: () => boolean): Promise<void> {
    const untilMs = Date.now() + FOREVER_MS;
    while (Date.now() < untilMs) {
      const { version } = this.#world.api.objects;
      await this.#world.reconcile().catch(() => {});
      await this.#act();
      if (done()) return;
      if (this.#world.api.objects.version === version) await this.#somethingHappens();
    }
    throw new Error(`not there after two minutes: ${JSON.stringify(this.#world.cluster.status)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#processes.values()].map(({ child }) => child[Symbol.asyncDispose]()),
    );
    await this.#serving[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #act(): Promise<void> {
    const { kubernetes, cluster } = this.#world;
    this.#writeSettings();
    // Nobody is ready before it says so.
    for (let ordinal = 0; ordinal < cluster.spec.nodes; ordinal++) {
      if (!this.#processes.has(`demo-${ordinal}`)) kubernetes.broken.add(`demo-${ordinal}`);
    }
    kubernetes.act();
    const pods = new Map(this.#pods().map((pod) => [pod.metadata.name, pod]));
    for (const [node, { pod }] of this.#processes) {
      if (pods.get(node)?.metadata.uid === pod.metadata.uid) continue;
      kubernetes.broken.add(node);
      kubernetes.act();
      await this.#end(node);
    }
    await Promise.all(
      [...pods].map(async ([node, pod]) => {
        const child = this.#processes.get(node)?.child.child;
        const runs = child !== undefined && child.exitCode === null && child.signalCode === null;
        if (!runs) await this.#begin(node, pod);
      }),
    );
    for (const [node, { child }] of this.#processes) {
      const ready = await fetch(
        `http://${hostOf(node)}:${child.environment['RDB_METRICS_PORT']}/readyz`,
        { headers: { connection: 'close' } },
      ).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) kubernetes.broken.delete(node);
      else kubernetes.broken.add(node);
    }
    kubernetes.act();
  }

  #pods(): Pod[] {
    return this.#world.list(RESOURCES.Pod) as Pod[];
  }

  /** SIGTERM, and the kubelet's word that it has ended. */
  async #end(node: string): Promise<void> {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    process.child.child.kill('SIGTERM');
    await process.child.exit();
    this.#processes.delete(node);
    this.#world.tools.memory.sawPod({
      ...process.pod,
      metadata: { ...process.pod.metadata, deletionTimestamp: new Date().toISOString() },
      status: { containerStatuses: [{ name: 'node', state: { terminated: {} } }] },
    });
  }

  async #begin(node: string, pod: Pod): Promise<void> {
    const { metadata, spec } = this.#world.cluster;
    const child = new ChildNode({
      PATH: process.env['PATH'] ?? '',
      RDB_CLUSTER: 'demo',
      RDB_CLUSTER_ID: metadata.uid,
      RDB_NODE: node,
      RDB_POD_UID: pod.metadata.uid ?? '',
      RDB_SHARDS: String(spec.shards),
      RDB_HASH_SEED: '0123456789abcdef',
      RDB_BIND_ADDRESS: hostOf(node),
      RDB_ADVERTISE_HOST: hostOf(node),
      ...(await this.#portsOf(node)),
      RDB_MEMORY_LIMIT: '1Gi',
      RDB_LEASES: `socket:${join(this.#folder, 'leases')}`,
      RDB_CONFIG_DIRECTORY: join(this.#folder, 'config'),
    });
    this.#processes.set(node, { pod, child });
    await child.said('"msg":"listening"');
  }

  /** The same for each start, as pods have them. */
  async #portsOf(node: string): Promise<Readonly<Record<string, string>>> {
    const known = this.#ports.get(node);
    if (known !== undefined) return known;
    const ports = {
      RDB_RESP_PORT: String(await freePort()),
      RDB_GRPC_PORT: String(await freePort()),
      RDB_PEER_PORT: String(await freePort()),
      RDB_METRICS_PORT: String(await freePort()),
    };
    this.#ports.set(node, ports);
    return ports;
  }

  #writeSettings(): void {
    const { RDB_HASH_SEED: _, ...files } =
      this.#world.find(RESOURCES.ConfigMap, 'demo-config')?.data ?? {};
    const directory = join(this.#folder, 'config');
    mkdirSync(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(directory, `.${name}`), text);
      renameSync(join(directory, `.${name}`), join(directory, name));
    }
  }

  async #ask({ host }: { readonly host: string }): ReturnType<typeof askReplicas> {
    const [, process] = [...this.#processes].find(([node]) => hostOf(node) === host) ?? [];
    const port = Number(process?.child.environment['RDB_METRICS_PORT']);
    return process === undefined ? undefined : await askReplicas({ host, port }, 2000);
  }

  /** A write to the API server; readiness changes without one, so it is looked at again soon. */
  async #somethingHappens(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, LOOK_AGAIN_MS);
    await promise;
    clearTimeout(timer);
  }
}

/** Each node has an address of its own: by it the operator knows whom it asks. */
function hostOf(node: string): string {
  return `127.0.0.${10 + Number(node.slice(node.lastIndexOf('-') + 1))}`;
}
