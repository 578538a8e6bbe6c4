/** Runs writers that gather, readers and a home over one arena, in threads of their own, for a bounded time. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type BreakableRule, breakRule } from '../constants.ts';
import { attachEngine, createArena } from '../engine.ts';
import type { GatherOrder, GatherReport } from './gather-worker.ts';
import { contents, defaultOptions, type Harness, lead, leadAll } from './harness.ts';

/** As in the worker, which must not be imported here: it works as soon as it is loaded. */
const fateRing = 4096;
const shards = 2;

export interface GatherStressResult {
  readonly violations: readonly string[];
  /** Batches, as the home counts them. */
  readonly committed: number;
  readonly takenBack: number;
}

export async function runGatherStress(options: {
  readonly module: WebAssembly.Module | undefined;
  /** Of a breakable module. */
  readonly breaks?: BreakableRule;
  readonly readers: number;
  readonly writers: number;
  readonly pairs: number;
  readonly durationMs: number;
}): Promise<GatherStressResult> {
  const { readers, writers, pairs } = options;
  const threads = 1 + writers + readers;
  const arena = createArena({ ...defaultOptions, threads, shards }, options.module);
  const follower = createArena({ ...defaultOptions, threads: 2, shards }, options.module);
  if (options.breaks !== undefined) {
    for (const { memory } of [arena, follower]) breakRule(memory, options.breaks);
  }
  const main = attachEngine(arena, threads);
  const mainFollower = attachEngine(follower, 2);
  leadAll(main);
  for (let shard = 0; shard < shards; shard++) {
    main.setReplicated(shard, true);
    mainFollower.createShard(shard);
    mainFollower.publish(shard, { role: 'elsewhere', replicaReadable: true });
  }
  const shared = new SharedArrayBuffer(4 * (pairs + 1));
  const fates = new SharedArrayBuffer(4 * shards * fateRing);
  const stop = new Int32Array(shared);
  const violations: string[] = [];
  let [committed, takenBack] = [0, 0];
  const running = new Set<string>();
  const roles: GatherOrder['role'][] = [
    'home',
    ...Array<'writer'>(writers).fill('writer'),
    ...Array<'reader'>(readers).fill('reader'),
    'replica-reader',
  ];
  const workers = roles.map((role, thread) => {
    const isAtFollower = role === 'replica-reader';
    const order: GatherOrder = {
      arena: isAtFollower ? follower : arena,
      thread: isAtFollower ? 1 : thread,
      role,
      pairs,
      writers,
      writer: thread - 1,
      seed: Math.floor(Math.random() * 2 ** 32),
      shared,
      fates,
      ...(role === 'home' ? { follower } : {}),
    };
    return new Worker(new URL('./gather-worker.ts', import.meta.url), { workerData: order });
  });
  const ready = workers.map((worker) => once(worker, 'message'));
  const endings = workers.map(async (worker, index) => {
    const name = `${roles[index]} ${index}`;
    running.add(name);
    await ready[index];
    const [report] = (await once(worker, 'message')) as [GatherReport];
    running.delete(name);
    if (index === 0) ({ committed, takenBack } = report);
    if (report.violation !== undefined) {
      violations.push(report.violation);
      Atomics.store(stop, 0, 1);
    }
  });
  await Promise.all(ready);
  const end = setTimeout(() => Atomics.store(stop, 0, 1), options.durationMs);
  let deadline: NodeJS.Timeout | undefined;
  const hang = new Promise<void>((resolve) => {
    deadline = setTimeout(() => {
      violations.push(`does not end: ${[...running].join(', ')}`);
      resolve();
    }, options.durationMs + 4000);
  });
  await Promise.race([Promise.all(endings), hang]);
  clearTimeout(deadline);
  clearTimeout(end);
  await Promise.all(workers.map((worker) => worker.terminate()));
  if (violations.length === 0) {
    for (let shard = 0; shard < shards; shard++) {
      // The last call of a writer may have gathered after the home had ended.
      main.publish(shard, { role: 'starting' });
      main.rollback(shard);
      lead(main, shard, 1_000_000);
      lead(mainFollower, shard, 1_000_000);
    }
    const told = (harness: Harness): string => contents(harness).join('\n');
    const leader: Harness = { arena, engine: main, connection: 0 };
    if (told(leader) !== told({ arena: follower, engine: mainFollower, connection: 0 })) {
      violations.push('leader and follower differ');
    }
  }
  return { violations, committed, takenBack };
}
