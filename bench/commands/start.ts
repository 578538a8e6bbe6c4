/** How long an empty node takes from the start of its process until it serves, and its memory then. */
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../limits.ts';
import { number, several } from '../options.ts';
import { residentBytes } from '../process.ts';
import type { ServerName } from '../servers/server.ts';
import { startOnce, startServer } from '../servers/start.ts';
import { spread } from '../statistics.ts';
import { digits, table } from '../table.ts';
import { command, outputOption, type Report } from './command.ts';

const options = {
  against: several('peers to compare with', ['redis', 'memcached'], ''),
  rounds: number('starts of each, in turn', { min: 1, max: limits.roundsMax, preset: 7 }),
  output: outputOption,
};

interface Start {
  readonly title: string;
  readonly readyMs: number;
  readonly residentBytes: number;
}

export const start = command({
  summary: 'time from the start of a process to ready, and memory of an empty node',
  options,
  async run(settings, context): Promise<Report> {
    const names: readonly ServerName[] = [...settings.against, 'r_db'];
    await startOnce(names);
    const starts: Start[] = [];
    for (let round = 0; round < settings.rounds; round++) {
      for (const name of names) {
        const one = await measure(name);
        starts.push(one);
        context.progress(`${one.title}: ready after ${digits(one.readyMs)} ms`);
      }
    }
    return { text: describe(starts), data: { settings, starts } };
  },
});

async function measure(name: ServerName): Promise<Start> {
  await using server = await startServer(name);
  await delay(limits.settleMs);
  const { title, readyMs } = server;
  return { title, readyMs, residentBytes: await residentBytes(server.pid) };
}

function describe(starts: readonly Start[]): string {
  const titles = [...new Set(starts.map(({ title }) => title))];
  const cells = titles.map((title) => {
    const own = starts.filter((one) => one.title === title);
    const ready = spread(own.map(({ readyMs }) => readyMs));
    const resident = spread(own.map((one) => one.residentBytes / 1e6));
    return [
      title,
      `${digits(ready.median)} (${digits(ready.min)}–${digits(ready.max)})`,
      `${digits(resident.median)} (${digits(resident.min)}–${digits(resident.max)})`,
    ];
  });
  return `${table(['server', 'ready after ms', 'resident MB'], cells)}

From the start of the process until a write is answered; medians of the starts (smallest–largest). One
start of each went before, uncounted: r_db runs from its sources and keeps what Node.js compiled.
Memory ${limits.settleMs} ms after that.`;
}
