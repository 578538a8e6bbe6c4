/** Runs the load generator once against one server. */
import { execFile } from 'node:child_process';
import { BenchError, WrongAnswerError } from '../errors.ts';
import { limits } from '../limits.ts';

export type LoadOperation = 'get' | 'set' | 'mixed' | 'load';

export interface Load {
  readonly operation: LoadOperation;
  readonly port?: number;
  /** Several servers instead, by slots: `0-8191:7000,8192-16383:7001`. */
  readonly route?: string | undefined;
  /** The server's process, or all of them: their CPU time is measured. */
  readonly pid?: number | readonly number[];
  readonly protocol?: 'resp' | 'memcached' | 'etcd';
  /** SETs that go out together are followed by a `WAIT` for so many replicas. */
  readonly wait?: number | undefined;
  readonly connections: number;
  /** `16`, or `1-64`: a random depth each time. */
  readonly pipeline: string;
  readonly keys: number;
  readonly valueBytes: number;
  /** Ends after so many requests, or after `seconds`. */
  readonly requests?: number | undefined;
  readonly seconds?: number | undefined;
  readonly warmupSeconds?: number;
  /** Requests a second that are due whatever the server does; undefined: as fast as it answers. */
  readonly ratePerSecond?: number | undefined;
  /** Marks the values written, 0 to 63, so that reading back shows that this run wrote them. */
  readonly salt?: number;
  readonly seed?: number;
  /** Written keys to read back at the end, outside the time measured. */
  readonly check?: number;
  /** Replies that are missing for so long are missing; 10 unless given. */
  readonly silenceSeconds?: number;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

export interface Sample {
  readonly operation: LoadOperation;
  /** Replies, all of them checked. */
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Replies whose value was compared. */
  readonly checked: number;
  readonly latencyNs: Latency;
  /** How late requests of an open loop left: the generator's own share of the latency. */
  readonly latenessNs: Latency;
  readonly serverUserSeconds: number;
  readonly serverSystemSeconds: number;
  readonly generatorSeconds: number;
  /** CPU time of the whole machine meanwhile: what is more than server and generator is others' work. */
  readonly machineSeconds: number;
}

const wrongReplyExitCode = 3;

/** Throws WrongAnswerError when one reply was wrong or missing, BenchError when the run failed. */
export async function runLoad(program: string, load: Load): Promise<Sample> {
  const timeout = (load.seconds ?? 0) * 1000 + limits.generatorGraceMs;
  return new Promise((resolve, reject) => {
    execFile(program, argumentsOf(load), { timeout }, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Sample);
      const message = stderr.trim().replace(/^load: /, '') || error.message;
      if (error.code === wrongReplyExitCode) return reject(new WrongAnswerError(message));
      reject(new BenchError(`the load generator failed: ${message}`, { cause: error }));
    });
  });
}

export function argumentsOf(load: Load): string[] {
  const given: readonly (readonly [string, string | number | undefined])[] = [
    ['operation', load.operation],
    ['port', load.port],
    ['route', load.route],
    ['pid', load.pid?.toString()],
    ['wait', load.wait],
    ['protocol', load.protocol],
    ['connections', load.connections],
    ['pipeline', load.pipeline],
    ['keys', load.keys],
    ['value', load.valueBytes],
    ['requests', load.requests],
    ['seconds', load.seconds],
    ['warmup', load.warmupSeconds],
    ['rate', load.ratePerSecond],
    ['salt', load.salt],
    ['seed', load.seed],
    ['check', load.check],
    ['silence', load.silenceSeconds],
  ];
  return given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, `${value}`]));
}
