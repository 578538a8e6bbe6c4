/** Keeps a number of calls in flight for a time and counts what comes back. */
import { percentile } from '../statistics.ts';

export interface Drive {
  /** Calls in flight. */
  readonly concurrency: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** One call; `index` counts calls. Rejects when the answer is wrong. */
  readonly call: (index: number) => Promise<void>;
  /** Runs where the time measured begins, and again where it ends. */
  readonly onEdge?: () => Promise<void>;
}

export interface Driven {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
}

/** Rejects with the first call that fails; no further one begins then. */
export async function drive(work: Drive): Promise<Driven> {
  const latencies: number[] = [];
  let index = 0;
  let failed = false;
  const phase = async (seconds: number, latenciesNs: number[]): Promise<number> => {
    const begin = performance.now();
    const endMs = begin + seconds * 1000;
    const loop = async (): Promise<void> => {
      for (let now = performance.now(); now < endMs && !failed; now = performance.now()) {
        await work.call(index++);
        latenciesNs.push((performance.now() - now) * 1e6);
      }
    };
    try {
      await Promise.all(Array.from({ length: work.concurrency }, loop));
    } catch (error) {
      failed = true;
      throw error;
    }
    return (performance.now() - begin) / 1000;
  };

  if (work.warmupSeconds > 0) await phase(work.warmupSeconds, []);
  await work.onEdge?.();
  const seconds = await phase(work.seconds, latencies);
  await work.onEdge?.();
  return {
    calls: latencies.length,
    callsPerSecond: latencies.length / seconds,
    p50Ns: percentile(latencies, 0.5),
    p99Ns: percentile(latencies, 0.99),
    p999Ns: percentile(latencies, 0.999),
  };
}
