/** What a command is. The table of all is commands.ts. */
import type { Client } from '../client.ts';
import type { Options, Parsed } from './arguments.ts';
import type { ExitCode } from './exit-codes.ts';
import type { Output } from './output.ts';

export interface CommandContext {
  readonly args: Parsed;
  readonly output: Output;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** All of standard input. */
  readonly readInput: () => Promise<Uint8Array>;
}

interface CommandBase {
  /** Arguments, as the help shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly options: Options;
  /** How many arguments there may be. */
  readonly takes: { readonly min: number; readonly max: number };
}

export interface ClusterCommand extends CommandBase {
  readonly run: (client: Client, context: CommandContext) => Promise<ExitCode>;
}

/** A command that starts a program of the package `@r-db/node`, with all arguments passed on. */
export interface ProgramCommand extends CommandBase {
  readonly program: string;
}

export type Command = ClusterCommand | ProgramCommand;
