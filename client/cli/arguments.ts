/** Reads the command line against what a command takes. */
import { parseArgs } from 'node:util';
import { TIMEOUT_MS_MAX } from '../limits.ts';

/** Wrong arguments; the message says what would be right. */
export class UsageError extends Error {}

export interface Option {
  /** Name of the value in the help; undefined: a switch. */
  readonly value?: string;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

export const COMMON_OPTIONS: Options = {
  addresses: {
    value: 'LIST',
    help: 'nodes to ask, host:port with commas between (RDB_ADDRESSES; default 127.0.0.1:7379)',
  },
  output: { value: 'FORMAT', help: 'text or json (default text)' },
  'timeout-ms': { value: 'MS', help: 'time for the command, in milliseconds (default 15000)' },
  help: { help: 'say how to use the command' },
};

export interface Parsed {
  readonly positionals: readonly string[];
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean;
  /** A whole number; UsageError if it is none, or not in the range. */
  readonly integer: (name: string, range: { min: number; max: number }) => number | undefined;
}

export function parseArguments(args: readonly string[], options: Options): Parsed {
  const all: Options = { ...COMMON_OPTIONS, ...options };
  const specification = Object.fromEntries(
    Object.entries(all).map(([name, { value }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(name === 'help' ? { short: 'h' } : {}),
        ...(name === 'output' ? { short: 'o' } : {}),
      },
    ]),
  );
  const { positionals, values } = parse(args, specification);
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    positionals,
    text,
    flag: (name) => values[name] === true,
    integer: (name, range) => toInteger(`--${name}`, text(name), range),
  };
}

export function toInteger(
  name: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^-?\d+$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`${name} must be a whole number from ${min} to ${max}, and is "${text}"`);
}

export const TIMEOUT_RANGE = { min: 1, max: TIMEOUT_MS_MAX };

/** Negative numbers are values here, never options: `rdb incr counter -5`. */
const HIDDEN = '\u0000';

type Specification = Record<string, { type: 'boolean' | 'string'; short?: string }>;

function parse(
  args: readonly string[],
  options: Specification,
): { positionals: string[]; values: Record<string, unknown> } {
  const hidden = args.map((arg) => (/^-\d+$/.test(arg) ? HIDDEN + arg : arg));
  const shown = (value: unknown): unknown =>
    typeof value === 'string' ? value.replace(HIDDEN, '') : value;
  try {
    const { positionals, values } = parseArgs({
      args: hidden,
      options,
      allowPositionals: true,
      strict: true,
    });
    return {
      positionals: positionals.map((one) => String(shown(one))),
      values: Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, shown(value)]),
      ),
    };
  } catch (error) {
    throw new UsageError(error instanceof Error ? firstSentence(error.message) : String(error));
  }
}

function firstSentence(message: string): string {
  return message.replace(/\. To specify a positional.*$/s, '').replace(/\n/g, ' ');
}
