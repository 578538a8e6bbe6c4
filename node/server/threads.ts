/** The main thread's side of the data threads. A thread that dies takes the process with it. */
import { Worker } from 'node:worker_threads';
import { linkPorts } from '../agent/link.ts';
import { portsOf } from '../replication/thread-links.ts';
import { serverLimits } from './limits.ts';
import type { FromThread, ThreadStart, ToThread } from './messages.ts';
import type { Answer, Question } from './questions.ts';

export interface ThreadsOptions {
  readonly starts: readonly ThreadStart[];
  /** A thread died or can't listen: the process can't go on. */
  readonly onFailure: (failure: Error) => void;
}

interface Asked {
  readonly by: Worker;
  readonly number: number;
  readonly answers: Answer[];
  readonly timer: NodeJS.Timeout;
}

export class DataThreads {
  readonly #workers: readonly Worker[];
  readonly #onFailure: (failure: Error) => void;
  readonly #listening = Promise.withResolvers<{ respPort: number; grpcPort: number }>();
  readonly #drained = Promise.withResolvers<void>();
  readonly #asked = new Map<number, Asked>();
  #listeningCount = 0;
  #grpcPort: number | undefined;
  #drainedCount = 0;
  #askedCount = 0;
  #ending = false;

  constructor({ starts, onFailure }: ThreadsOptions) {
    this.#onFailure = onFailure;
    this.#workers = starts.map((start) => this.#begin(start));
  }

  /** Resolves when every thread takes connections. */
  get listening(): Promise<{ readonly respPort: number; readonly grpcPort: number }> {
    return this.#listening.promise;
  }

  tell(message: ToThread): void {
    for (const worker of this.#workers) {
      worker.postMessage(message);
    }
  }

  /** Resolves when every connection is closed, or cut off after the grace. */
  async drain(graceMs: number): Promise<void> {
    this.tell({ kind: 'drain', graceMs });
    await this.#drained.promise;
  }

  async terminate(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #begin(start: ThreadStart): Worker {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      name: `data-${start.thread}`,
      workerData: start,
      resourceLimits: { maxYoungGenerationSizeMb: serverLimits.youngGenerationMebibytes },
      transferList: [
        ...(start.link === undefined ? [] : linkPorts(start.link)),
        ...portsOf(start.links),
      ],
    });
    worker.on('message', (message: FromThread) => this.#heard(worker, message));
    worker.on('error', (cause) => {
      this.#fail(new Error(`data thread ${start.thread} died: ${cause.message}`, { cause }));
    });
    worker.on('exit', (code) => {
      this.#fail(new Error(`data thread ${start.thread} ended with code ${code}`));
    });
    return worker;
  }

  #fail(failure: Error): void {
    if (!this.#ending) {
      this.#ending = true;
      this.#onFailure(failure);
    }
  }

  #heard(worker: Worker, message: FromThread): void {
    switch (message.kind) {
      case 'listening':
        this.#listeningCount++;
        this.#grpcPort ??= message.grpcPort;
        if (this.#listeningCount === this.#workers.length) {
          const { respPort } = message;
          this.#listening.resolve({ respPort, grpcPort: this.#grpcPort ?? 0 });
        }
        break;
      case 'failed':
        this.#fail(new Error(`${message.setting}: ${message.message}`));
        break;
      case 'question':
        this.#ask(worker, message.number, message.question);
        break;
      case 'answer':
        this.#answer(message.number, message.answer);
        break;
      case 'drained':
        this.#drainedCount++;
        if (this.#drainedCount === this.#workers.length) {
          this.#drained.resolve();
        }
        break;
    }
  }

  /** Passes a question on to all. One that does not answer in time is left out. */
  #ask(by: Worker, number: number, question: Question): void {
    const id = ++this.#askedCount;
    const timer = setTimeout(() => this.#finish(id), serverLimits.askMs);
    this.#asked.set(id, { by, number, answers: [], timer });
    this.tell({ kind: 'ask', number: id, question });
  }

  #answer(id: number, answer: Answer): void {
    const asked = this.#asked.get(id);
    asked?.answers.push(answer);
    if (asked?.answers.length === this.#workers.length) {
      this.#finish(id);
    }
  }

  #finish(id: number): void {
    const asked = this.#asked.get(id);
    if (asked !== undefined) {
      clearTimeout(asked.timer);
      this.#asked.delete(id);
      const { number, answers } = asked;
      asked.by.postMessage({ kind: 'answers', number, answers } satisfies ToThread);
    }
  }
}
