/** A command that runs in JavaScript: one typed data object, in a file of its own with its test. */
import type { Connection } from '../connection.ts';
import type { Services } from '../context.ts';
import type { Reply } from '../reply.ts';

export interface Call {
  /** The name first. Copies: they stay valid while the command waits. */
  readonly arguments: readonly Buffer[];
  readonly connection: Connection;
  readonly services: Services;
  readonly reply: Reply;
}

export interface ServerCommand {
  /** Upper case. */
  readonly name: string;
  /** As Redis counts: the name included; negative: at least so many. */
  readonly arity: number;
  /** Writes exactly one reply, or none when the connection closes. */
  run(call: Call): void | Promise<void>;
}

/** A command of a container, `CLIENT ID`. Its arity counts both words. */
export interface Subcommand extends ServerCommand {
  /** For HELP: the arguments, and what it does. */
  readonly usage: string;
  readonly help: readonly string[];
}

/** `text` of an argument, as people write words: upper case. */
export function word(argument: Buffer | undefined): string {
  return (argument ?? '').toString('latin1').toUpperCase();
}

/** A signed 64-bit integer as Redis reads it, within a double's exact range; undefined: not one. */
export function parseInteger(argument: Buffer | undefined): number | undefined {
  const text = (argument ?? '').toString('latin1');
  return /^(0|-?[1-9]\d{0,15})$/.test(text) ? Number(text) : undefined;
}

export function fits(arity: number, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}

/** `CLIENT ...`: a command whose second word chooses. */
export function container(name: string, subcommands: readonly Subcommand[]): ServerCommand {
  const byName = new Map(subcommands.map((one) => [one.name, one]));
  return {
    name,
    arity: -2,
    run: (call) => {
      const chosen = word(call.arguments[1]);
      if (chosen === 'HELP' && call.arguments.length === 2) {
        writeHelp(call.reply, name, subcommands);
        return undefined;
      }
      const subcommand = byName.get(chosen);
      if (subcommand === undefined) {
        const shown = (call.arguments[1] ?? '').toString('latin1').slice(0, 128);
        call.reply.error(`ERR unknown subcommand '${shown}'. Try ${name} HELP.`);
        return undefined;
      }
      if (!fits(subcommand.arity, call.arguments.length)) {
        const full = `${name}|${subcommand.name}`.toLowerCase();
        call.reply.error(`ERR wrong number of arguments for '${full}' command`);
        return undefined;
      }
      return subcommand.run(call);
    },
  };
}

/** As Redis lays it out: lines of simple strings. */
function writeHelp(reply: Reply, name: string, subcommands: readonly Subcommand[]): void {
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const subcommand of [...subcommands].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    lines.push(`${subcommand.name}${subcommand.usage === '' ? '' : ` ${subcommand.usage}`}`);
    lines.push(...subcommand.help.map((line) => `    ${line}`));
  }
  lines.push('HELP', '    Print this help.');
  reply.array(lines.length);
  for (const line of lines) {
    reply.simple(line);
  }
}
