/** Runs one command line. Everything of the process comes in as an argument. */
import { type Client, connect } from '../client.ts';
import { RdbError } from '../errors.ts';
import { TIMEOUT_MS_DEFAULT } from '../limits.ts';
import { type Parsed, parseArguments, TIMEOUT_RANGE, UsageError } from './arguments.ts';
import type { ClusterCommand, Command } from './command.ts';
import { COMMANDS, commandHelp, help } from './commands.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { Output, type Stream } from './output.ts';

export const ADDRESSES_DEFAULT = '127.0.0.1:7379';
/** A person waits: no longer than this for a node to answer at all. */
const CONNECT_TIMEOUT_MS = 2_000;

export interface Process {
  /** `rdb`, or `kubectl rdb`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly readInput: () => Promise<Uint8Array>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Runs a program of another package with these arguments; its exit code. Throws if the package is not there. */
  readonly runProgram: (specifier: string, args: readonly string[]) => Promise<number>;
}

export async function run(process: Process): Promise<number> {
  const [name, ...args] = process.args;
  const colour = (process.environment['NO_COLOR'] ?? '') === '';
  const plain = new Output({ ...process, json: false, colour });
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    plain.line(help(process.program));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    plain.error(
      `${process.program}: there is no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}`,
    );
    return EXIT.usage;
  }
  if ('program' in command) return runProgram(process, command.program, { args, output: plain });
  try {
    const parsed = parseArguments(args, command.options);
    if (parsed.flag('help')) {
      plain.line(commandHelp(process.program, name, command));
      return EXIT.ok;
    }
    checkCount(command, parsed);
    return await runOnCluster(process, command, {
      parsed,
      output: outputOf(process, parsed, colour),
    });
  } catch (error) {
    return fail(process, { error, name, output: plain });
  }
}

async function runOnCluster(
  process: Process,
  command: ClusterCommand,
  { parsed, output }: { parsed: Parsed; output: Output },
): Promise<ExitCode> {
  const timeoutMs = parsed.integer('timeout-ms', TIMEOUT_RANGE) ?? TIMEOUT_MS_DEFAULT;
  const { signal, readInput, environment } = process;
  const addresses = addressesOf(parsed.text('addresses'), environment);
  const connectTimeoutMs = Math.min(timeoutMs, CONNECT_TIMEOUT_MS);
  let client: Client;
  try {
    client = await connect({ addresses, timeoutMs, connectTimeoutMs, signal });
  } catch (error) {
    if (error instanceof RdbError && error.reason === 'INVALID')
      throw new UsageError(`--addresses: ${error.message}`);
    throw error;
  }
  try {
    return await command.run(client, { args: parsed, output, timeoutMs, signal, readInput });
  } finally {
    await client.close();
  }
}

/** What the option says, else the environment, else the local cluster's first node. */
export function addressesOf(
  option: string | undefined,
  environment: Process['environment'],
): string[] {
  const given = option ?? (environment['RDB_ADDRESSES'] || ADDRESSES_DEFAULT);
  return given.split(',').map((one) => one.trim());
}

function outputOf(process: Process, parsed: Parsed, colour: boolean): Output {
  const format = parsed.text('output') ?? 'text';
  if (format !== 'text' && format !== 'json') {
    throw new UsageError(`--output must be text or json, and is "${format}"`);
  }
  return new Output({ ...process, json: format === 'json', colour });
}

function checkCount({ usage, takes }: Command, { positionals }: Parsed): void {
  if (positionals.length < takes.min) throw new UsageError(`an argument is missing: ${usage}`);
  if (positionals.length > takes.max) {
    throw new UsageError(
      `"${positionals[takes.max]}" is too much; the arguments are: ${usage || 'none'}`,
    );
  }
}

function fail(
  { program, signal }: Process,
  { error, name, output }: { error: unknown; name: string; output: Output },
): ExitCode {
  if (signal.aborted) return EXIT.interrupted;
  if (error instanceof UsageError) {
    output.error(`${program} ${name}: ${error.message}`);
    output.error(`(${program} ${name} --help tells more)`);
    return EXIT.usage;
  }
  if (!(error instanceof RdbError)) throw error;
  output.error(`${program} ${name}: ${error.message}`);
  if (error.reason === 'UNAVAILABLE') {
    output.error(`Is a cluster running? "npm start" or "rdb dev" starts one on this machine.`);
    output.error('Other nodes: --addresses host:port,host:port or RDB_ADDRESSES.');
  }
  return exitCodeOf(error);
}

async function runProgram(
  process: Process,
  specifier: string,
  { args, output }: { args: readonly string[]; output: Output },
): Promise<number> {
  try {
    return await process.runProgram(specifier, args);
  } catch (error) {
    output.error(
      `${process.program} dev: ${error instanceof Error ? error.message : String(error)}`,
    );
    return EXIT.failed;
  }
}
