/** Options of the commands: a typed schema that parses arguments and prints its own help. */
import { parseArgs } from 'node:util';
import { UsageError } from './errors.ts';

/** One option. `parse` throws UsageError naming the option and what would be right. */
export interface Option<Value> {
  readonly meaning: string;
  /** What stands behind the name in the help; undefined: a flag. */
  readonly placeholder: string | undefined;
  /** As a user would write it; undefined: the option has no value unless given. */
  readonly preset: string | undefined;
  parse(name: string, text: string | undefined): Value;
}

export type Schema = Readonly<Record<string, Option<unknown>>>;
export type Values<S extends Schema> = {
  readonly [Name in keyof S]: S[Name] extends Option<infer Value> ? Value : never;
};

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly preset: number;
}

/** A number between bounds; whole unless `fraction`. */
export function number(
  meaning: string,
  bounds: Bounds & { readonly fraction?: boolean },
): Option<number> {
  return {
    meaning,
    placeholder: 'N',
    preset: String(bounds.preset),
    parse: (name, text = '') => numberIn(name, text, bounds),
  };
}

/** The same, but absent unless given. */
export function optionalNumber(
  meaning: string,
  bounds: Omit<Bounds, 'preset'> & { readonly fraction?: boolean },
): Option<number | undefined> {
  return {
    meaning,
    placeholder: 'N',
    preset: undefined,
    parse: (name, text) => (text === undefined ? undefined : numberIn(name, text, bounds)),
  };
}

/** Pipeline depths: `16`, or `1-64` for a random depth each time; several with commas. */
export function depths(meaning: string, max: number, preset: string): Option<readonly string[]> {
  return {
    meaning,
    placeholder: 'LIST',
    preset,
    parse: (name, text = '') =>
      text.split(',').map((part) => {
        const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
        const from = Number(match?.[1]);
        const to = Number(match?.[2] ?? match?.[1]);
        if (match === null || from < 1 || to < from || to > max) {
          throw new UsageError(
            `--${name}: "${part}" is no depth; write numbers or ranges from 1 to ${max}, as in 1,16,1-64`,
          );
        }
        return part.trim();
      }),
  };
}

/** Some of a few words, with commas. */
export function several<const Word extends string>(
  meaning: string,
  words: readonly Word[],
  preset: string,
): Option<readonly Word[]> {
  return {
    meaning,
    placeholder: 'LIST',
    preset,
    parse: (name, text = '') =>
      text === '' ? [] : text.split(',').map((part) => wordOf(name, part.trim(), words)),
  };
}

/** One of a few words. */
export function one<const Word extends string>(
  meaning: string,
  words: readonly Word[],
  preset: Word,
): Option<Word> {
  return {
    meaning,
    placeholder: words.join('|'),
    preset,
    parse: (name, text = '') => wordOf(name, text, words),
  };
}

export function text(meaning: string, placeholder: string): Option<string | undefined> {
  return { meaning, placeholder, preset: undefined, parse: (_name, given) => given };
}

export function flag(meaning: string): Option<boolean> {
  return {
    meaning,
    placeholder: undefined,
    preset: undefined,
    parse: (_name, given) => given !== undefined,
  };
}

/** Throws UsageError for an unknown option, a value that is missing or wrong, or a stray word. */
export function parseOptions<S extends Schema>(schema: S, argv: readonly string[]): Values<S> {
  const given = parseWords(schema, argv);
  const entries = Object.entries(schema).map(([name, option]) => {
    const value = given[name];
    const words = value === undefined ? option.preset : value === true ? '' : String(value);
    return [name, option.parse(name, words)];
  });
  return Object.fromEntries(entries) as Values<S>;
}

/** Lines for `--help`. */
export function describeOptions(schema: Schema): string {
  const rows = Object.entries(schema).map(([name, option]) => ({
    left: `  --${name}${option.placeholder === undefined ? '' : ` ${option.placeholder}`}`,
    right: option.meaning + (option.preset ? ` (${option.preset})` : ''),
  }));
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2;
  return rows.map(({ left, right }) => left.padEnd(width) + right).join('\n');
}

function parseWords(schema: Schema, argv: readonly string[]): Record<string, unknown> {
  const options = Object.fromEntries(
    Object.entries(schema).map(([name, option]) => [
      name,
      { type: option.placeholder === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    return parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const known = Object.keys(schema).map((name) => `--${name}`);
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split('. ')[0]}. Options: ${known.join(' ')}`, {
      cause: error,
    });
  }
}

function numberIn(
  name: string,
  text: string,
  bounds: Omit<Bounds, 'preset'> & { readonly fraction?: boolean },
): number {
  const pattern = bounds.fraction === true ? /^\d+(\.\d+)?$/ : /^\d+$/;
  const value = Number(text.replaceAll('_', ''));
  if (!pattern.test(text.replaceAll('_', '')) || value < bounds.min || value > bounds.max) {
    const kind = bounds.fraction === true ? 'a number' : 'a whole number';
    throw new UsageError(`--${name}: "${text}" is not ${kind} from ${bounds.min} to ${bounds.max}`);
  }
  return value;
}

function wordOf<Word extends string>(name: string, text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found === undefined) {
    throw new UsageError(`--${name}: "${text}" is unknown; known: ${words.join(', ')}`);
  }
  return found;
}
