/**
 * One fault, or several of a kind, under recorded clients: what happened to whom and when, and then the verdict and
 * the figures of the history.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { until } from '../cluster/run.ts';
import {
  lostWrites,
  type Quantiles,
  quantiles,
  successEnds,
  unavailableMs,
} from '../history/figures.ts';
import { type Judgement, judge } from '../history/judge.ts';
import { check } from '../history/linearizability.ts';
import { nowNs, type Operation } from '../history/operation.ts';
import {
  byFrequency,
  type FigureRow,
  type Figures,
  figuresFile,
  type HistoryRow,
} from '../history/report.ts';
import { nodeHost, nodePods } from './demo.ts';
import { testEnvironment } from './environment.ts';
import type { Pod } from './pods.ts';
import { RecordedClients } from './recorded-clients.ts';
import { incarnationsOf, ledBy, nodeOf, type Shard, shardsOf } from './shards.ts';

export interface FaultCluster {
  readonly namespace: string;
  readonly name: string;
  readonly nodes: number;
  readonly shards: number;
  readonly replicationFactor: number;
}

/** What the shards of a strike lost. */
export type Role = 'leader' | 'follower' | 'nothing';

export interface Findings {
  readonly title: string;
  readonly history: readonly Operation[];
  readonly judgement: Judgement;
  readonly lost: number;
  /** Of all strikes, by what the shards lost. */
  readonly figures: ReadonlyMap<Role, { readonly reads: Quantiles; readonly writes: Quantiles }>;
}

interface Strike {
  /** Names of the nodes that were hit. */
  readonly nodes: readonly string[];
  readonly before: readonly Shard[];
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

/** Until a cluster has all replicas in sync again: a restart of a pod, and catching up. */
const wholeMs = 90_000;
/** The API server has other work than to be asked. */
const askMs = 300;
/** Of undisturbed traffic before a fault and after its end. */
const calmMs = 1_000;

let number = 0;

export class Scene {
  readonly title: string;
  readonly cluster: FaultCluster;
  readonly #clients: RecordedClients;
  readonly #folder: string;
  readonly #strikes: Strike[] = [];
  #endNs: bigint | undefined;

  private constructor(
    title: string,
    cluster: FaultCluster,
    clients: RecordedClients,
    folder: string,
  ) {
    this.title = title;
    this.cluster = cluster;
    this.#clients = clients;
    this.#folder = folder;
  }

  /** Waits until the cluster is whole, and starts the clients. `title` names the fault in the report. */
  static async open(title: string, cluster: FaultCluster): Promise<Scene> {
    await whole(cluster);
    const folder = join(testEnvironment().reports, `history-${++number}`);
    mkdirSync(folder, { recursive: true });
    const { namespace, name, nodes, shards } = cluster;
    // As the nodes call themselves, so that redirects lead to addresses that are known.
    const hosts = Array.from({ length: nodes }, (_, index) =>
      nodeHost(namespace, name, index).replace(/\.cluster\.local$/, ''),
    );
    const clients = await RecordedClients.start(
      {
        resp: hosts.map((host) => `${host}:6379`),
        grpc: hosts.map((host) => `${host}:7379`),
        shards,
      },
      { prefix: `h${randomBytes(4).toString('hex')}`, folder },
    );
    await sleep(calmMs);
    return new Scene(title, cluster, clients, folder);
  }

  /** Runs `body` in a scene; nothing goes on if it fails. */
  static async play(
    title: string,
    cluster: FaultCluster,
    body: (scene: Scene) => Promise<void>,
    options: { readonly finalReads?: boolean } = {},
  ): Promise<Findings> {
    const scene = await Scene.open(title, cluster);
    try {
      await body(scene);
      return await scene.#close(options);
    } finally {
      scene.#clients.kill();
    }
  }

  /** Who leads and who is in sync now. */
  shards(): Promise<readonly Shard[]> {
    return shardsOf(this.cluster.namespace, this.cluster.name);
  }

  /** The pods by the number of shards that they lead, the busiest first. */
  async byLeadership(): Promise<readonly Pod[]> {
    const shards = await this.shards();
    const pods = await nodePods(this.cluster.namespace, this.cluster.name);
    const led = ({ metadata }: Pod) => ledBy(shards, metadata.name);
    return [...pods].sort((a, b) => led(b) - led(a));
  }

  /** The pod that leads the most shards. */
  async leadingPod(): Promise<Pod> {
    const [pod] = await this.byLeadership();
    if (pod === undefined) throw new Error('the cluster has no pods');
    return pod;
  }

  /**
   * Hits nodes: `act` makes the fault, and resolves when it is over. What the clients saw from its
   * begin to its end counts for the figures. `before`: if the API server can't be asked now.
   */
  async strike(
    nodes: readonly string[],
    act: (before: readonly Shard[]) => Promise<void>,
    before?: readonly Shard[],
  ): Promise<void> {
    // At the last moment: a set that has shrunk, or lost its leader, has met another fault already.
    const shards = before ?? (await whole(this.cluster));
    const fromNs = nowNs();
    await act(shards);
    this.#strikes.push({ nodes, before: shards, fromNs, toNs: nowNs() });
  }

  /** Until every shard has a leader, and no incarnation that the nodes had before is in a set. */
  async without(nodes: readonly string[], before: readonly Shard[]): Promise<void> {
    const old = new Set(
      before.flatMap(({ inSync }) => inSync.filter((each) => nodes.includes(nodeOf(each)))),
    );
    await untilAsked('the shards go on without the nodes', async () =>
      (await this.shards()).every(
        ({ leader, inSync }) => leader !== undefined && !inSync.some((each) => old.has(each)),
      ),
    );
  }

  /** Until every replica is in sync again. */
  async whole(): Promise<void> {
    await whole(this.cluster);
  }

  /** What began later is left out: the data of that history is gone, and everybody was told. */
  endHistory(atNs: bigint): void {
    this.#endNs = atNs;
  }

  async #close(options: { readonly finalReads?: boolean }): Promise<Findings> {
    await sleep(calmMs);
    const endNs = this.#endNs;
    const all = await this.#clients.finish(options);
    const history = endNs === undefined ? all : cutAt(all, endNs);
    const judgement = await judge(testEnvironment().judge, history, this.#folder);
    const lost = lostWrites(history);
    const figures = figuresOf(history, this.#strikes);
    this.#report(history, judgement, lost, figures);
    const ours = check(history);
    expect(judgement.verdict, `${judgement.bad.join()}; ${ours.faults.join('; ')}`).to.equal(
      'linearizable',
    );
    expect(ours.verdict, ours.faults.join('; ')).to.equal('linearizable');
    expect(lost, 'acknowledged writes lost').to.equal(0);
    return { title: this.title, history, judgement, lost, figures };
  }

  #report(
    history: readonly Operation[],
    { verdict, operations }: Judgement,
    lost: number,
    figures: Findings['figures'],
  ): void {
    const errors = (wanted: Operation['outcome']) =>
      byFrequency(
        history.filter(({ outcome }) => outcome === wanted).map(({ error }) => error ?? ''),
      );
    const rows = [...figures].map(
      ([shards, { reads, writes }]): FigureRow => ({ fault: this.title, shards, reads, writes }),
    );
    const row: HistoryRow = {
      ...{ fault: this.title, operations, failed: errors('failed'), unknown: errors('unknown') },
      ...{ lost, verdict },
    };
    appendFigures({ rows, histories: [row] });
  }
}

/** Adds to what is printed, and kept, at the end of all tests. */
export function appendFigures(figures: Figures): void {
  appendFileSync(join(testEnvironment().reports, figuresFile), `${JSON.stringify(figures)}\n`);
}

/** The history up to a moment: of what was out then, nothing is known. */
function cutAt(history: readonly Operation[], atNs: bigint): readonly Operation[] {
  return history
    .filter(({ startNs }) => BigInt(startNs) <= atNs)
    .map((one) =>
      BigInt(one.endNs) <= atNs || one.outcome !== 'ok'
        ? one
        : { ...one, outcome: 'unknown', error: 'CUT' },
    );
}

/** Until the sets of all shards hold exactly as many living incarnations as there are to be copies. */
export async function whole(cluster: FaultCluster): Promise<readonly Shard[]> {
  const { namespace, name, nodes, shards, replicationFactor } = cluster;
  let found: readonly Shard[] = [];
  await untilAsked('all replicas are in sync', async () => {
    const living = await incarnationsOf(namespace, name);
    found = await shardsOf(namespace, name);
    return (
      living.size === nodes &&
      found.length === shards &&
      found.every(
        ({ leader, inSync }) =>
          leader !== undefined &&
          inSync.length === replicationFactor &&
          inSync.every((each) => living.has(each)),
      )
    );
  });
  return found;
}

/** Until leadership is where the assignments want it: nobody hands it over soon. */
export async function settled(cluster: FaultCluster): Promise<void> {
  await untilAsked('every shard is led by the first of its assignment', async () =>
    (await whole(cluster)).every(({ leader, assignment }) => nodeOf(leader) === assignment[0]),
  );
}

/** Like `until`, but the machine that is measured has better things to do than to answer all the time. */
async function untilAsked(what: string, condition: () => Promise<boolean>): Promise<void> {
  await until(what, wholeMs, async () => {
    if (await condition()) return true;
    await sleep(askMs);
    return false;
  });
}

function figuresOf(
  history: readonly Operation[],
  strikes: readonly Strike[],
): ReadonlyMap<Role, { reads: Quantiles; writes: Quantiles }> {
  const samples = new Map<Role, { reads: number[]; writes: number[] }>();
  for (const { shard } of strikes[0]?.before ?? []) {
    const reads = successEnds(history, { shard, access: 'reads' });
    const writes = successEnds(history, { shard, access: 'writes' });
    for (const { nodes, before, ...window } of strikes) {
      const role = roleOf(nodes, before[shard]);
      const of = samples.get(role) ?? { reads: [], writes: [] };
      samples.set(role, of);
      of.reads.push(unavailableMs(reads, window));
      of.writes.push(unavailableMs(writes, window));
    }
  }
  const roles = (['leader', 'follower', 'nothing'] as const).filter((role) => samples.has(role));
  return new Map(
    roles.map((role) => {
      const { reads, writes } = samples.get(role) ?? { reads: [], writes: [] };
      return [role, { reads: quantiles(reads), writes: quantiles(writes) }];
    }),
  );
}

function roleOf(nodes: readonly string[], shard: Shard | undefined): Role {
  if (nodes.includes(nodeOf(shard?.leader))) return 'leader';
  return shard?.inSync.some((each) => nodes.includes(nodeOf(each))) ? 'follower' : 'nothing';
}
