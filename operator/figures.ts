/** Keys and bytes of each cluster, fetched from its nodes now and then for the status. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { eachBounded, type View } from './api.ts';
import type { Figures, Tools } from './context.ts';
import { limits } from './limits.ts';
import { keyText, type ObjectKey } from './objects.ts';
import { observe } from './observe.ts';
import { ledShards } from './plan/copies.ts';
import { isReady } from './plan/health.ts';
import { rounded } from './plan/status.ts';
import { asCluster } from './resource.ts';

export interface FiguresOptions {
  readonly tools: Pick<Tools, 'ask'>;
  readonly view: View;
  clusters(): readonly ObjectKey[];
  readonly scheduler: Scheduler;
  /** The status of this cluster is out of date by them. */
  onChange(key: string): void;
}

export class FiguresCollector {
  readonly #options: FiguresOptions;
  readonly #figures = new Map<string, Figures>();
  #cancel = () => {};
  #stopped = false;

  constructor(options: FiguresOptions) {
    this.#options = options;
  }

  of(key: string): Figures | undefined {
    return this.#figures.get(key);
  }

  start(): void {
    this.#cancel = this.#options.scheduler.after(limits.figuresEveryMs, () => {
      void this.collect().then(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async collect(): Promise<void> {
    const { clusters, onChange } = this.#options;
    const keys = clusters();
    const names = new Set(keys.map(keyText));
    for (const name of this.#figures.keys()) if (!names.has(name)) this.#figures.delete(name);
    await eachBounded(keys, limits.workers, async (key) => {
      const figures = await this.#collectOne(key);
      if (figures === undefined) return;
      const before = this.#figures.get(keyText(key));
      this.#figures.set(keyText(key), figures);
      const same =
        before !== undefined &&
        rounded(before.keys) === rounded(figures.keys) &&
        rounded(before.bytes) === rounded(figures.bytes);
      if (!same) onChange(keyText(key));
    });
  }

  /** Undefined unless all nodes that lead something have answered: half a sum would be wrong. */
  async #collectOne(key: ObjectKey): Promise<Figures | undefined> {
    const { view, tools } = this.#options;
    const object = await view.get(RESOURCES.RDbCluster, key);
    if (object === undefined) return undefined;
    const seen = await observe(view, asCluster(object));
    const led = ledShards(seen);
    let keys = 0;
    let bytes = 0;
    let counted = 0;
    await eachBounded(seen.nodes, limits.requestsAtOnce, async ({ name, pod, lease }) => {
      const address = lease?.content?.addresses?.grpc[0];
      const answer = isReady(pod) && address !== undefined ? await tools.ask(address) : undefined;
      for (const [shard, replica] of answer?.replicas ?? []) {
        const leader = seen.shards.get(shard)?.content?.leader;
        if (!led.has(shard) || leader?.node !== name) continue;
        keys += replica.keys;
        bytes += replica.bytes;
        counted += 1;
      }
    });
    return counted === led.size && counted > 0 ? { keys, bytes } : undefined;
  }
}
