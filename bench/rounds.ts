/** Rounds in turn, A B A B: what slows the machine for a while slows all that are compared. */
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from './limits.ts';
import { number } from './options.ts';
import type { BenchServer, ServerName } from './servers/server.ts';
import { ratios, type Spread, spread } from './statistics.ts';

export const pauseOption = number('seconds of rest before each round, for others on the machine', {
  min: 0,
  max: limits.secondsMax,
  preset: 0,
  fraction: true,
});

/** What one round of one server gave. */
export interface Figures {
  readonly perSecond: number;
  /** CPU microseconds of the server's process for each operation. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** NaN where the generator doesn't tell. */
  readonly p999Ns: number;
  readonly maxNs: number;
  /** 0..1: how much of a core the generator used. Near 1 the generator is the limit. */
  readonly generatorShare: number;
  /** Cores that neither server nor generator used: others' work, which makes figures worse. */
  readonly othersCores: number;
  /** How late an open loop's requests left, 99th percentile; 0 in a closed loop. */
  readonly latenessP99Ns: number;
}

/** The rounds of one of those that are compared. */
export interface Turns {
  readonly title: string;
  readonly rounds: readonly Figures[];
}

export interface ServerRounds extends Turns {
  readonly server: ServerName;
}

/** Several rounds of each server, in turn; `pause` in seconds. */
export async function runRounds(
  servers: readonly BenchServer[],
  times: { readonly rounds: number; readonly pause: number },
  measure: (server: BenchServer, round: number) => Promise<Figures>,
): Promise<ServerRounds[]> {
  const turns = await runTurns(servers, times, measure);
  return turns.map((turn, index) => ({ ...turn, server: servers[index]?.name ?? 'r_db' }));
}

/** The same for whatever has a title. */
export async function runTurns<Compared extends { readonly title: string }>(
  compared: readonly Compared[],
  { rounds, pause }: { readonly rounds: number; readonly pause: number },
  measure: (one: Compared, round: number) => Promise<Figures>,
): Promise<Turns[]> {
  const turns = compared.map(({ title }) => ({ title, rounds: [] as Figures[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, one] of compared.entries()) {
      await delay(pause * 1000);
      turns[index]?.rounds.push(await measure(one, round));
    }
  }
  return turns;
}

/** Spread of one figure over a server's rounds; undefined where the generator doesn't tell it. */
export function over(results: Turns, figure: keyof Figures): Spread | undefined {
  const values = results.rounds.map((round) => round[figure]);
  return values.some(Number.isNaN) ? undefined : spread(values);
}

/** Ratio of CPU time an operation, over the same pairs: steadier where others use the cores too. */
export function cpuRatio(results: Turns, base: Turns): Spread {
  const of = (server: Turns): number[] =>
    server.rounds.map(({ userUs, systemUs }) => userUs + systemUs);
  return ratios(of(results), of(base));
}

/** Ratio of throughput to another server's, over pairs of neighbouring rounds. */
export function throughputRatio(results: Turns, base: Turns): Spread {
  const of = (server: Turns): number[] => server.rounds.map(({ perSecond }) => perSecond);
  return ratios(of(results), of(base));
}
