/** Clients that write and read the whole time, and remember every operation. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ShardKeys } from './keys.ts';
import { finalReadsMs, outstandingMax, stuckMs } from './limits.ts';
import { type Answer, nowNs, type Operation } from './operation.ts';
import type { Connect, Read, Seen, Store } from './store.ts';

export interface RecorderOptions {
  /** Of the processes, and so of the values: one for each recorder of a history. */
  readonly name: string;
  readonly connect: Connect;
  readonly keys: readonly ShardKeys[];
  /** Between two operations of a task, on average; each shard has one task that writes and one that reads. */
  readonly intervalMs: number;
}

/** What one operation is, without its fate. */
type Intent = Pick<Operation, 'key' | 'kind' | 'value' | 'expected'>;

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #history: Operation[] = [];
  readonly #tasks: Promise<void>[];
  readonly #reached = new Set<number>();
  #running = true;
  #values = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#tasks = options.keys.flatMap((keys) => [
      this.#task(keys, 'writer', writerTurns(keys)),
      this.#task(keys, 'reader', readerTurns(keys)),
    ]);
  }

  /** Whether every shard has answered once. */
  get going(): boolean {
    return this.#reached.size === this.#options.keys.length;
  }

  /** Ends the tasks; what is out has an answer, or none within its time. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#tasks);
  }

  /** Reads every key until it answers. Rejects if one does not. */
  async readAll(keys: readonly { readonly shard: number; readonly key: string }[]): Promise<void> {
    const deadline = performance.now() + finalReadsMs;
    for (const { shard, key } of keys) {
      const store = this.#options.connect(shard);
      try {
        while (!(await this.#readFinally(store, shard, key))) {
          if (performance.now() > deadline) throw new Error(`${key} could not be read in the end`);
          await sleep(stuckMs);
        }
      } finally {
        store.close();
      }
    }
  }

  get history(): readonly Operation[] {
    return this.#history;
  }

  async #task(keys: ShardKeys, name: string, turns: readonly Turn[]): Promise<void> {
    const { intervalMs, connect } = this.#options;
    const processes = new Processes(`${this.#options.name}-${name}-${keys.shard}`, () =>
      connect(keys.shard),
    );
    while (this.#running) {
      // In step, two writes of one key would always overlap, and the one hide what becomes of the other.
      await sleep(intervalMs * (0.5 + Math.random()));
      const turn = turns[Math.floor(Math.random() * turns.length)];
      if (turn === undefined) throw new Error('a task has nothing to do');
      await processes.run((store, process) => turn(this, store, { process, shard: keys.shard }));
    }
    await processes.end();
  }

  /** Executes one operation and writes its fate down. */
  async record<Result extends Answer | Read>(
    { process, shard }: Who,
    intent: Intent,
    execute: () => Promise<Result>,
    final = false,
  ): Promise<Result> {
    const startNs = nowNs();
    const answer = await execute();
    const endNs = nowNs();
    if (answer.outcome === 'ok') this.#reached.add(shard);
    this.#history.push({
      process,
      shard,
      ...intent,
      startNs: `${startNs}`,
      endNs: `${endNs}`,
      outcome: answer.outcome,
      ...('seen' in answer ? { result: answer.seen?.value ?? null } : {}),
      ...('result' in answer && answer.result !== undefined ? { result: answer.result } : {}),
      ...('error' in answer ? { error: answer.error } : {}),
      ...(final ? { final } : {}),
    });
    return answer;
  }

  nextValue(): string {
    return `${this.#options.name}.${++this.#values}`;
  }

  async #readFinally(store: Store, shard: number, key: string): Promise<boolean> {
    const who = { process: `${this.#options.name}-final`, shard };
    const read = await this.record(who, { key, kind: 'read' }, () => store.read(key), true);
    return read.outcome === 'ok';
  }
}

interface Who {
  readonly process: string;
  readonly shard: number;
}

type Turn = (recorder: Recorder, store: Store, who: Who) => Promise<void>;

/**
 * The processes of one task. One whose operation is stuck goes on waiting, and another takes the
 * task's next turns: or a node that stopped would stop the task too.
 */
class Processes {
  readonly #name: string;
  readonly #connect: () => Store;
  readonly #stuck = new Set<Promise<void>>();
  #number = 0;
  #store: Store | undefined;

  constructor(name: string, connect: () => Store) {
    this.#name = name;
    this.#connect = connect;
  }

  async run(turn: (store: Store, process: string) => Promise<void>): Promise<void> {
    if (this.#stuck.size >= outstandingMax) await Promise.race(this.#stuck);
    this.#store ??= this.#connect();
    const store = this.#store;
    const out = turn(store, `${this.#name}.${this.#number}`);
    if (await isOverWithin(out, stuckMs)) return;
    this.#number++;
    this.#store = undefined;
    const stuck = out.finally(() => {
      this.#stuck.delete(stuck);
      store.close();
    });
    this.#stuck.add(stuck);
  }

  async end(): Promise<void> {
    await Promise.all(this.#stuck);
    this.#store?.close();
  }
}

/** No `AbortSignal`: one for each operation takes a tenth of what a client takes. */
function isOverWithin(operation: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), ms);
    operation.finally(() => clearTimeout(timer)).then(() => resolve(true), reject);
  });
}

function readerTurns({ registers, counters, compared }: ShardKeys): readonly Turn[] {
  return [...registers, ...counters, ...compared].map((key): Turn => {
    return async (recorder, store, who) => {
      await recorder.record(who, { key, kind: 'read' }, () => store.read(key));
    };
  });
}

function writerTurns({ registers, counters, compared }: ShardKeys): readonly Turn[] {
  const writes = registers.map((key): Turn => {
    return async (recorder, store, who) => {
      const value = recorder.nextValue();
      const intent = { key, kind: 'write', value } as const;
      await recorder.record(who, intent, () => store.write(key, value));
    };
  });
  const increments = counters.map((key): Turn => {
    return async (recorder, store, who) => {
      await recorder.record(who, { key, kind: 'increment' }, () => store.increment(key));
    };
  });
  return [...writes, ...increments, ...compared.map(compareTurn)];
}

/**
 * Reads in one turn, and sets in the next if nobody did meanwhile: the others have all the time between the two to
 * make it fail. An absent key is written.
 */
function compareTurn(key: string): Turn {
  let remembered: Seen | undefined;
  return async (recorder, store, who) => {
    const seen = remembered;
    remembered = undefined;
    if (seen !== undefined) {
      const value = recorder.nextValue();
      const intent = { key, kind: 'compare-and-set', expected: seen.value, value } as const;
      await recorder.record(who, intent, () => store.compareAndSet(key, seen, value));
      return;
    }
    const read = await recorder.record(who, { key, kind: 'read' }, () => store.read(key));
    if (read.outcome !== 'ok') return;
    remembered = read.seen;
    if (remembered === undefined) {
      const value = recorder.nextValue();
      const intent = { key, kind: 'write', value } as const;
      await recorder.record(who, intent, () => store.write(key, value));
    }
  };
}
