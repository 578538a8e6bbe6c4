/** Recorded clients over RESP and gRPC, each protocol in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fromLines, type Operation } from '../history/operation.ts';
import type { HistoryTask } from '../inside/history.ts';

export interface RecordedCluster {
  /** Addresses, `host:port`, of nodes. */
  readonly resp: readonly string[];
  readonly grpc: readonly string[];
  readonly shards: number;
}

/** Longer than final reads may take. */
const answerMs = 60_000;

export class RecordedClients {
  readonly #folder: string;
  readonly #processes: readonly Process[];

  private constructor(folder: string, processes: readonly Process[]) {
    this.#folder = folder;
    this.#processes = processes;
  }

  /** Resolves once every shard has answered over both protocols. `prefix`: of the keys. */
  static async start(
    { resp, grpc, shards }: RecordedCluster,
    { prefix, folder }: { readonly prefix: string; readonly folder: string },
  ): Promise<RecordedClients> {
    const begin = (protocol: HistoryTask['protocol'], addresses: readonly string[]) =>
      new Process({ protocol, addresses, shards, prefix, file: join(folder, `${protocol}.jsonl`) });
    const clients = new RecordedClients(folder, [begin('resp', resp), begin('grpc', grpc)]);
    try {
      await clients.#all((each) => each.said('going'));
    } catch (error) {
      clients.kill();
      throw error;
    }
    return clients;
  }

  /** Ends the clients, reads every key a last time (unless told otherwise), returns the history. */
  async finish({ finalReads = true } = {}): Promise<readonly Operation[]> {
    try {
      await this.#all((each) => each.tell('stop', 'stopped'));
      if (finalReads) await this.#processes[0]?.tell('read', 'read');
      await this.#all((each) => each.end());
    } finally {
      this.kill();
    }
    return ['resp', 'grpc'].flatMap((protocol) =>
      fromLines(readFileSync(join(this.#folder, `${protocol}.jsonl`), 'utf8')),
    );
  }

  /** After an error: nothing is left running. */
  kill(): void {
    for (const each of this.#processes) each.kill();
  }

  async #all(act: (process: Process) => Promise<void>): Promise<void> {
    await Promise.all(this.#processes.map(act));
  }
}

class Process {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #ended: Promise<number>;
  readonly #words = new Map<string, () => void>();
  readonly #said = new Set<string>();

  constructor(task: HistoryTask) {
    const program = join(import.meta.dirname, '..', 'inside', 'history.ts');
    this.#child = spawn(process.execPath, [program, JSON.stringify(task)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (this.#child.stdout === null) throw new Error('its output is not piped');
    this.#child.stdin?.on('error', () => {}); // ended: the exit code tells
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on('line', (line) => {
      this.#said.add(line);
      this.#words.get(line)?.();
    });
    this.#ended = once(this.#child, 'exit').then(([code]) => (code as number | null) ?? 1);
  }

  /** Resolves when it has said the word. Rejects when it ends instead, or says nothing for long. */
  async said(word: string): Promise<void> {
    if (this.#said.has(word)) return;
    const heard = new Promise<void>((resolve) => this.#words.set(word, resolve));
    await this.#within(
      word,
      Promise.race([
        heard,
        this.#ended.then((code) => {
          throw new Error(`recorded clients ended with ${code} before they said "${word}"`);
        }),
      ]),
    );
  }

  async tell(word: string, answer: string): Promise<void> {
    this.#child.stdin?.write(`${word}\n`);
    await this.said(answer);
  }

  async end(): Promise<void> {
    this.#child.stdin?.end('write\n');
    const code = await this.#within('the end', this.#ended);
    if (code !== 0) throw new Error(`recorded clients ended with ${code}`);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #within<T>(what: string, waiting: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`recorded clients: no "${what}" within ${answerMs / 1000} s`);
      timer = setTimeout(() => reject(error), answerMs);
    });
    try {
      return await Promise.race([waiting, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
