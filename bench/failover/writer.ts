/** Runs the program that writes through failovers, and gives it orders. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BenchError } from '../errors.ts';
import { limits } from '../limits.ts';
import { spawnServer } from '../process.ts';

export interface WriterOptions {
  readonly program: string;
  readonly protocol: 'resp' | 'etcd';
  readonly ports: readonly number[];
  /** Shards whose gaps are told apart, contiguous ranges of slots of equal length. */
  readonly groups: number;
  readonly ratePerSecond: number;
  /** Writers, each with a key of its own and one write at a time. */
  readonly lanes: number;
  /** A write without an answer for so long is given up, with its connection (3). */
  readonly patienceSeconds?: number;
}

export interface WriterReport {
  /** Writes since the start, by what came of them. */
  readonly acknowledged: number;
  readonly moved: number;
  readonly failed: number;
  readonly unknown: number;
  /** Of each group: the longest time without an acknowledged write since the mark, and the time since the last. */
  readonly groups: readonly { readonly gapMs: number; readonly sinceMs: number }[];
}

export interface WriterCheck {
  /** Acknowledged writes that are not there, and were not overwritten by later ones. */
  readonly lost: number;
  /** Keys that hold a write of unknown outcome older than an acknowledged one: it may have come late. */
  readonly ambiguous: number;
  /** Keys that could not be read. */
  readonly unread: number;
}

export class Writer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;

  constructor({ program, ports, ratePerSecond: rate, patienceSeconds, ...same }: WriterOptions) {
    const patience = patienceSeconds === undefined ? {} : { patience: patienceSeconds };
    const given = { ...same, ports: ports.join(','), rate, ...patience };
    const argv = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#child = spawnServer(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => this.#waiting?.resolve(line));
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => {
        this.#waiting?.reject(new BenchError('the program that writes ended by itself'));
        resolve();
      });
    });
    this.#child.stdin?.on('error', () => undefined);
  }

  /** Gaps count from now on. */
  mark(): void {
    this.#child.stdin?.write('mark\n');
  }

  report(): Promise<WriterReport> {
    return this.#ask('report');
  }

  /** Stops writing, reads everything back, goes on. */
  check(): Promise<WriterCheck> {
    return this.#ask('check');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limits.stopTimeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  async #ask<Answer>(order: 'report' | 'check'): Promise<Answer> {
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new BenchError(`the program that writes does not answer "${order}"`));
      }, limits.writerTimeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
      };
      this.#waiting = {
        resolve: (told) => {
          settle();
          resolve(told);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.#child.stdin?.write(`${order}\n`);
    });
    return JSON.parse(line) as Answer;
  }
}
