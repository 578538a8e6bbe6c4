/** `npm run bench -- COMMAND [OPTIONS]`. Alone reads the environment and arguments, and prints. */
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command, Context } from './commands/command.ts';
import { commands } from './commands/index.ts';
import { BenchError, UsageError } from './errors.ts';
import { describeMachine, machineLine } from './machine.ts';
import { describeOptions, parseOptions, text } from './options.ts';
import { endServers } from './process.ts';

/** `npm run` changes to this package's folder; paths that a user gives start where the user is. */
const home = process.env['INIT_CWD'] ?? process.cwd();
const cacheHome = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');

const context: Context = {
  cacheDirectory: join(cacheHome, 'r_db', 'bench'),
  environment: process.env,
  progress: (line) => console.error(line),
};

const shared = { svg: text('also write a plot there', 'FILE') };

async function main(argv: readonly string[]): Promise<void> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === 'help') return console.log(help());
  const command = commands[name];
  if (command === undefined) {
    throw new UsageError(
      `"${name}" is no benchmark; there are: ${Object.keys(commands).join(' ')}`,
    );
  }
  if (rest.includes('--help')) return console.log(helpOf(name, command));

  const options = parseOptions({ ...command.options, ...shared }, rest);
  const machine = await describeMachine();
  const report = await command.run(options, context);
  if (options.svg !== undefined) {
    if (report.svg === undefined) throw new UsageError(`${name} has no plot: leave --svg out`);
    await writeFile(resolve(home, options.svg), report.svg);
  }
  if ((options as Record<string, unknown>)['output'] === 'json') {
    console.log(JSON.stringify({ command: name, machine, ...Object(report.data) }, undefined, 2));
  } else {
    console.log(`${report.text}\n\n${machineLine(machine)}`);
  }
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  const rows = Object.entries(commands).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}${summary}`,
  );
  return `npm run bench -- COMMAND [OPTIONS]   (COMMAND --help tells its options)\n\n${rows.join('\n')}`;
}

function helpOf(name: string, command: Command): string {
  return `npm run bench -- ${name}: ${command.summary}\n\n${describeOptions({ ...command.options, ...shared })}`;
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    endServers();
    process.exit(exitCode);
  });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = error.exitCode;
}
