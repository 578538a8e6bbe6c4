/** One node of a local cluster: its process, started again when it dies, as a kubelet would. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { limits } from './limits.ts';

const mainScript = fileURLToPath(new URL('../main.ts', import.meta.url));
const parentScript = new URL('./with-parent.ts', import.meta.url).href;

export interface NodeProcessOptions {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A line that the node wrote to stdout or stderr. */
  readonly onLine: (line: string) => void;
  /** It ended though nobody asked it to; it is started again. */
  readonly onDeath: (how: string) => void;
}

export class NodeProcess implements AsyncDisposable {
  readonly name: string;
  readonly #options: NodeProcessOptions;
  readonly #lines: string[] = [];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;
  #starts = 0;
  #startedMs = 0;
  #restartMs: number = limits.restartFirstMs;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NodeProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#start();
  }

  /** Undefined between the end of a process and the start of the next. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get starts(): number {
    return this.#starts;
  }

  /** The last lines that it wrote. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Sends a signal to the process that runs now. False: none does. */
  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.kill(signal) ?? false;
  }

  /** Ends it for good: SIGTERM, and SIGKILL after its grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), limits.stopGraceMs);
    await this.#ended;
    clearTimeout(kill);
  }

  #start(): void {
    const child = spawn(process.execPath, ['--import', parentScript, mainScript], {
      env: { ...this.#options.environment },
      // A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which ends all in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#starts++;
    this.#startedMs = performance.now();
    this.#read(child.stdout);
    this.#read(child.stderr);
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => this.#line(`cannot be started: ${error.message}`));
      child.once('close', (code, signal) => {
        this.#child = undefined;
        resolve();
        this.#died(signal ?? `exit code ${code}`);
      });
    });
  }

  #died(how: string): void {
    if (this.#stopping) return;
    const ranMs = performance.now() - this.#startedMs;
    if (ranMs > limits.restartForgetMs) this.#restartMs = limits.restartFirstMs;
    this.#options.onDeath(how);
    this.#timer = setTimeout(() => this.#start(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, limits.restartMostMs);
  }

  #read(stream: Readable | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => this.#line(line));
  }

  #line(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > limits.logLinesKept) this.#lines.shift();
    this.#options.onLine(line);
  }
}
