/** What clients feel when a process that leads is killed: how long nothing is acknowledged, and what is lost. */
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../errors.ts';
import {
  type Subject,
  startEtcdSubject,
  startRdbSubject,
  startRedisSubject,
} from '../failover/subject.ts';
import { Writer, type WriterCheck, type WriterReport } from '../failover/writer.ts';
import { buildFailoverWriter } from '../generator/build.ts';
import { limits } from '../limits.ts';
import { number, several, text } from '../options.ts';
import { findEtcd } from '../servers/etcd-program.ts';
import { percentile } from '../statistics.ts';
import { groupedBars } from '../svg.ts';
import { digits, perSecond, table } from '../table.ts';
import { type Context, command, outputOption, type Report } from './command.ts';

const subjects = ['r_db', 'redis-2s', 'redis-15s', 'etcd'] as const;

const options = {
  of: several('whose leaders are killed', subjects, subjects.join(',')),
  etcd: text('a program to run as etcd, instead of the one built for the tests', 'PATH'),
  kills: number('kills of each', { min: 1, max: 1_000, preset: 30 }),
  rate: number('writes a second', { min: 100, max: 1_000_000, preset: 20_000 }),
  lanes: number('writers, each with a key of its own', { min: 64, max: 4096, preset: 640 }),
  output: outputOption,
};

/** What one kill did. */
interface Kill {
  /** Longest time without an acknowledged write of each shard that lost its leader. */
  readonly leaderGapsMs: readonly number[];
  /** The same of the other shards: the longest. */
  readonly othersGapMs: number;
  readonly check: WriterCheck;
}

interface Result {
  readonly title: string;
  readonly kills: readonly Kill[];
  readonly total: WriterReport;
  readonly seconds: number;
}

export const failover = command({
  summary: 'unavailability and lost writes when leaders are killed, against Redis Cluster and etcd',
  options,
  async run(settings, context): Promise<Report> {
    const program = await buildFailoverWriter(context);
    const results: Result[] = [];
    for (const name of settings.of) {
      context.progress(`starting ${name}`);
      await using subject = await startSubject(name, settings.etcd, context);
      await using writer = new Writer({
        ...{ program, protocol: subject.protocol, ports: subject.ports, groups: subject.groups },
        ...{ ratePerSecond: settings.rate, lanes: settings.lanes },
      });
      results.push(await killMany(subject, writer, settings.kills, context));
    }
    return { text: describe(results), data: { settings, results }, svg: plot(results) };
  },
});

function startSubject(
  name: (typeof subjects)[number],
  etcd: string | undefined,
  { environment }: Context,
): Promise<Subject> {
  switch (name) {
    case 'r_db':
      return startRdbSubject(3);
    case 'redis-2s':
      return startRedisSubject(2_000);
    case 'redis-15s':
      return startRedisSubject(15_000);
    case 'etcd':
      return findEtcd(etcd, environment).then(startEtcdSubject);
  }
}

async function killMany(
  subject: Subject,
  writer: Writer,
  count: number,
  { progress }: Context,
): Promise<Result> {
  const begin = performance.now();
  const kills: Kill[] = [];
  await untilServed(writer, 0);
  for (let round = 0; round < count; round++) {
    // At any time of its heartbeats.
    await delay(limits.betweenKillsMs * (1 + Math.random()));
    writer.mark();
    const led = new Set(await subject.kill(round));
    const { groups } = await untilServed(writer, limits.afterKillMs);
    const gaps = groups.map(({ gapMs }) => gapMs);
    const leaderGapsMs = gaps.filter((_, group) => led.has(group));
    const othersGapMs = Math.max(0, ...gaps.filter((_, group) => !led.has(group)));
    await subject.restore();
    const check = await writer.check();
    kills.push({ leaderGapsMs, othersGapMs, check });
    const [worst, middle] = [Math.max(...leaderGapsMs), percentile(leaderGapsMs, 0.5)];
    progress(
      `${subject.title}, kill ${round + 1}: ${digits(middle)} ms, at most ${digits(worst)}; others ${digits(othersGapMs)}; ${check.lost} lost`,
    );
  }
  const total = await writer.report();
  return { title: subject.title, kills, total, seconds: (performance.now() - begin) / 1000 };
}

/** Resolves at least `waitMs` from now, when every shard acknowledges writes. */
async function untilServed(writer: Writer, waitMs: number): Promise<WriterReport> {
  const begin = performance.now();
  for (;;) {
    await delay(limits.clusterPollMs);
    const report = await writer.report();
    const waitedMs = performance.now() - begin;
    const served = report.groups.every(({ sinceMs }) => sinceMs < limits.servedMs);
    if (served && report.acknowledged > 0 && waitedMs >= waitMs) return report;
    if (waitedMs > limits.wholeTimeoutMs) {
      const away = report.groups.filter(({ sinceMs }) => sinceMs >= limits.servedMs).length;
      throw new BenchError(`${away} shards acknowledge nothing after ${limits.wholeTimeoutMs} ms`);
    }
  }
}

const head = [
  ['store', 'kills', 'shards that lost their leader', 'median ms', 'p99 ms', 'max ms'],
  ['other shards, max ms', 'acknowledged', 'lost', 'ambiguous', 'failed', 'unknown'],
].flat();

function describe(results: readonly Result[]): string {
  const cells = results.map(({ title, kills, total, seconds }) => {
    const gaps = kills.flatMap(({ leaderGapsMs }) => leaderGapsMs);
    const sum = (of: keyof WriterCheck): string =>
      String(kills.reduce((all, { check }) => all + check[of], 0));
    return [
      title,
      String(kills.length),
      String(gaps.length),
      ...[0.5, 0.99, 1].map((share) => digits(percentile(gaps, share))),
      digits(Math.max(...kills.map(({ othersGapMs }) => othersGapMs))),
      `${total.acknowledged} (${perSecond(total.acknowledged / seconds)}/s)`,
      ...[sum('lost'), sum('ambiguous'), String(total.failed), String(total.unknown)],
    ];
  });
  return `${table(head, cells)}

The longest time without an acknowledged write around each SIGKILL, for each shard that the killed process led, pooled. "Other shards"
may have lost a follower. "Lost": acknowledged writes that were not there when all was whole again, nor a later one. "Failed" writes were refused, of
"unknown" ones nobody knows; each was followed by another one at once.`;
}

function plot(results: readonly Result[]): string {
  return groupedBars({
    title: 'Without an acknowledged write after SIGKILL of a leader',
    unit: 'ms',
    groups: results.map(({ title, kills }) => {
      const gaps = kills.flatMap(({ leaderGapsMs }) => leaderGapsMs);
      const bar = (series: string, share: number) => ({ series, value: percentile(gaps, share) });
      return { label: title, bars: [bar('median', 0.5), bar('p99', 0.99), bar('max', 1)] };
    }),
  });
}
