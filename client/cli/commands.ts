/** All commands of `rdb`, and its help. */
import { COMMON_OPTIONS, type Options } from './arguments.ts';
import * as cluster from './cluster.ts';
import type { Command } from './command.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import * as keys from './keys.ts';

export const COMMANDS: Readonly<Record<string, Command>> = {
  get: keys.get,
  set: keys.set,
  del: keys.del,
  incr: keys.incr,
  scan: keys.scan,
  status: cluster.status,
  shards: cluster.shards,
  slots: cluster.slots,
  lead: cluster.lead,
  dev: {
    usage: '[--nodes N] [--port PORT]',
    summary: 'start a cluster on this machine, until Ctrl-C (rdb dev --help tells more)',
    options: {},
    takes: { min: 0, max: Number.POSITIVE_INFINITY },
    program: '@r-db/node/dev/main.ts',
  },
};

export function help(program: string): string {
  const commands = Object.entries(COMMANDS).map(([name, { usage, summary }]) => [
    `${name} ${usage}`.trim(),
    summary,
  ]);
  const codes = Object.entries(EXIT).map(([name, code]) => [
    String(code),
    EXIT_MEANINGS[name as keyof typeof EXIT],
  ]);
  return [
    `Usage: ${program} COMMAND [ARGUMENTS]`,
    '',
    'Commands:',
    ...columns(commands),
    '',
    'Options of all of them:',
    ...optionLines(COMMON_OPTIONS),
    '',
    'Exit codes:',
    ...columns(codes),
    '',
    `${program} COMMAND --help tells the options of one command. Values that begin with - stand behind --.`,
  ].join('\n');
}

export function commandHelp(
  program: string,
  name: string,
  { usage, summary, options }: Command,
): string {
  const lines = [
    `Usage: ${program} ${name} ${usage}`.trimEnd(),
    '',
    capitalised(summary),
    '',
    'Options:',
  ];
  return [...lines, ...optionLines({ ...options, ...COMMON_OPTIONS })].join('\n');
}

function optionLines(options: Options): string[] {
  return columns(
    Object.entries(options).map(([name, { value, help: text }]) => [
      value === undefined ? `--${name}` : `--${name} ${value}`,
      text,
    ]),
  );
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([first = '']) => first.length));
  return rows.map(([first = '', second = '']) => `  ${first.padEnd(width)}  ${second}`);
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
