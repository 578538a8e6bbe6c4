/** Runs readers and writers over one arena, in threads of their own, for a bounded time. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type BreakableRule, breakRule } from '../constants.ts';
import { attachEngine, createArena } from '../engine.ts';
import { defaultOptions, leadAll } from './harness.ts';
import type { StressOrder, StressReport } from './stress-worker.ts';

export interface StressOptions {
  readonly module: WebAssembly.Module | undefined;
  /** Of a breakable module. */
  readonly breaks?: BreakableRule;
  readonly readers: number;
  readonly writers: number;
  readonly pairs: number;
  readonly durationMs: number;
  /** Instances made over the arena while it works. */
  readonly lateInstances?: number;
}

export interface StressResult {
  readonly violations: readonly string[];
  readonly commands: number;
}

export async function runStress(options: StressOptions): Promise<StressResult> {
  const { readers, writers, pairs } = options;
  const threads = readers + writers;
  const arena = createArena({ ...defaultOptions, threads, shards: 2 }, options.module);
  if (options.breaks !== undefined) breakRule(arena.memory, options.breaks);
  const main = attachEngine(arena, threads);
  leadAll(main);
  const shared = new SharedArrayBuffer(4 * (pairs + 1));
  const stop = new Int32Array(shared);
  const violations: string[] = [];
  let commands = 0;
  const workers = Array.from({ length: threads }, (_, thread) => {
    const isWriter = thread < writers;
    const order: StressOrder = {
      arena,
      thread,
      role: isWriter ? 'writer' : 'reader',
      pairs,
      writers,
      writer: thread,
      shared,
    };
    return new Worker(new URL('./stress-worker.ts', import.meta.url), { workerData: order });
  });
  // Threads start slowly on a busy machine: time counts from when all of them work.
  const ready = workers.map((worker) => once(worker, 'message'));
  const endings = workers.map(async (worker, index) => {
    await ready[index];
    const [report] = (await once(worker, 'message')) as [StressReport];
    commands += report.commands;
    if (report.violation !== undefined) {
      violations.push(report.violation);
      Atomics.store(stop, 0, 1);
    }
  });
  await Promise.all(ready);
  const late = setInterval(
    () => attachEngine(arena, threads),
    options.durationMs / ((options.lateInstances ?? 0) + 1),
  );
  const end = setTimeout(() => Atomics.store(stop, 0, 1), options.durationMs);
  // A thread that hangs (a broken build may) is as good a sign as one that complains.
  let deadline: NodeJS.Timeout | undefined;
  const hang = new Promise<void>((resolve) => {
    deadline = setTimeout(() => {
      violations.push('a thread does not end');
      resolve();
    }, options.durationMs + 4000);
  });
  await Promise.race([Promise.all(endings), hang]);
  clearTimeout(deadline);
  clearTimeout(end);
  clearInterval(late);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return { violations, commands };
}
