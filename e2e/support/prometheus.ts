/** A real Prometheus, as Debian has it, in the cluster's network: it finds the pods and scrapes them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../cluster/run.ts';
import type { Pod } from './pods.ts';

const address = '127.0.0.1:9190';
const startMs = 30_000;

export interface Target {
  readonly labels: Readonly<Record<string, string>>;
  readonly health: string;
  readonly lastError: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export class Prometheus implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
  }

  /** Scrapes every second the port called `metrics` of each pod. Debian's has no Kubernetes discovery. */
  static async start(pods: readonly Pod[]): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'rdb-prometheus-'));
    writeFileSync(join(folder, 'prometheus.yml'), configuration(pods));
    const log = join(folder, 'log');
    const output = openSync(log, 'w');
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: ['ignore', output, output] },
    );
    const prometheus = new Prometheus(child, folder);
    try {
      await until('Prometheus is ready', startMs, async () => {
        if (child.exitCode !== null)
          throw new Error(`prometheus ended: ${readFileSync(log, 'utf8')}`);
        const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined);
        return answer?.ok === true;
      });
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  async targets(): Promise<readonly Target[]> {
    const { activeTargets } = await this.#get<{ activeTargets: Target[] }>('targets');
    return activeTargets;
  }

  /** Names of all metrics that targets told of, with or without series. */
  async names(): Promise<ReadonlySet<string>> {
    return new Set(Object.keys(await this.#get<Record<string, unknown>>('metadata')));
  }

  async query(expression: string): Promise<readonly Sample[]> {
    const query = encodeURIComponent(expression);
    return (await this.#get<{ result: Sample[] }>(`query?query=${query}`)).result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #get<Data>(path: string): Promise<Data> {
    const answer = await fetch(`http://${address}/api/v1/${path}`);
    const { data, error } = (await answer.json()) as { data: Data; error?: string };
    if (!answer.ok) throw new Error(`Prometheus: ${path}: ${error}`);
    return data;
  }
}

function configuration(pods: readonly Pod[]): string {
  const targets = pods.map(({ metadata, spec, status }) => {
    const ports = spec.containers.flatMap((container) => container.ports ?? []);
    const port = ports.find(({ name }) => name === 'metrics')?.containerPort;
    if (port === undefined) throw new Error(`${metadata.name} has no port called metrics`);
    const labels = { pod: metadata.name, namespace: metadata.namespace };
    return { targets: [`${status.podIP}:${port}`], labels };
  });
  return JSON.stringify({
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'rdb', static_configs: targets }],
  });
}
