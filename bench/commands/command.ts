/** What every command of `npm run bench` is. */
import type { Schema, Values } from '../options.ts';
import { one } from '../options.ts';

export interface Context {
  /** Outside the checkout: what is compiled stays there. */
  readonly cacheDirectory: string;
  /** Of the process. */
  readonly environment: NodeJS.ProcessEnv;
  /** A line about what is going on, for a person who waits. */
  progress(line: string): void;
}

export interface Report {
  /** For people: tables and a sentence. */
  readonly text: string;
  /** For programs: everything measured. */
  readonly data: unknown;
  /** A plot, if the command has one. */
  readonly svg?: string;
}

export interface Command<S extends Schema = Schema> {
  readonly summary: string;
  readonly options: S;
  run(options: Values<S>, context: Context): Promise<Report>;
}

export function command<const S extends Schema>(definition: Command<S>): Command<S> {
  return definition;
}

/** Every command has it. */
export const outputOption = one('what to print', ['table', 'json'], 'table');
