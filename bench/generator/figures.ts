/** One round against one server, by our generator or by redis-benchmark. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BenchError, MissingToolError } from '../errors.ts';
import { cpuSeconds } from '../process.ts';
import type { Figures } from '../rounds.ts';
import { type Load, runLoad, type Sample } from './run.ts';

/** redis-benchmark counts requests, not seconds: a few seconds' worth at each depth. */
const redisBenchmarkRequests = 300_000;

export async function measureWithOurs(program: string, load: Load): Promise<Figures> {
  const sample = await runLoad(program, load);
  const { latencyNs } = sample;
  return {
    perSecond: sample.perSecond,
    userUs: (sample.serverUserSeconds / sample.requests) * 1e6,
    systemUs: (sample.serverSystemSeconds / sample.requests) * 1e6,
    p50Ns: latencyNs.p50,
    p99Ns: latencyNs.p99,
    p999Ns: latencyNs.p999,
    maxNs: latencyNs.max,
    generatorShare: sample.generatorSeconds / sample.seconds,
    othersCores: othersCores(sample),
    latenessP99Ns: sample.latenessNs.p99,
  };
}

function othersCores(sample: Sample): number {
  const { serverUserSeconds, serverSystemSeconds, generatorSeconds, machineSeconds } = sample;
  const others = machineSeconds - serverUserSeconds - serverSystemSeconds - generatorSeconds;
  return Math.max(0, others / sample.seconds);
}

/** Replies go unchecked: redis-benchmark looks at errors only. */
export async function measureWithRedisBenchmark(load: Load & { pid: number }): Promise<Figures> {
  if (load.operation !== 'get' && load.operation !== 'set') {
    throw new BenchError(`redis-benchmark has no ${load.operation}`);
  }
  const depth = Number(load.pipeline);
  if (!Number.isInteger(depth)) {
    throw new BenchError(`redis-benchmark has no random depth (--pipeline ${load.pipeline})`);
  }
  const requests = load.requests ?? redisBenchmarkRequests * Math.min(depth, 10);
  const argv = ['-h', '127.0.0.1', '-p', load.port, '-t', load.operation, '-n', requests];
  argv.push('-c', load.connections, '-P', depth, '-r', load.keys, '-d', load.valueBytes, '--csv');
  const before = await cpuSeconds(load.pid);
  const output = await promisify(execFile)('redis-benchmark', argv.map(String)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw new MissingToolError('redis-benchmark', 'redis-tools');
      throw new BenchError(`redis-benchmark failed: ${error.message}`, { cause: error });
    },
  );
  const after = await cpuSeconds(load.pid);
  const cpuUs = (seconds: number): number => (seconds / requests) * 1e6;
  return {
    ...readRedisBenchmark(output.stdout),
    userUs: cpuUs(after.user - before.user),
    systemUs: cpuUs(after.system - before.system),
  };
}

/** The CSV of redis-benchmark 7: a line of names, then one for the test; times in milliseconds. */
export function readRedisBenchmark(csv: string): Omit<Figures, 'userUs' | 'systemUs'> {
  const [head, line] = csv
    .split('\n')
    .filter((text) => text.startsWith('"'))
    .map((text) => text.split(',').map((cell) => cell.trim().replaceAll('"', '')));
  const value = (name: string): number => Number(line?.[head?.indexOf(name) ?? -1] ?? Number.NaN);
  const figures = {
    perSecond: value('rps'),
    p50Ns: value('p50_latency_ms') * 1e6,
    p99Ns: value('p99_latency_ms') * 1e6,
    maxNs: value('max_latency_ms') * 1e6,
  };
  if (Object.values(figures).some(Number.isNaN)) {
    throw new BenchError(`redis-benchmark printed something else: ${csv.slice(0, 500)}`);
  }
  return {
    ...figures,
    p999Ns: Number.NaN,
    generatorShare: Number.NaN,
    othersCores: Number.NaN,
    latenessP99Ns: 0,
  };
}
