/** From `Stop.Call` to the command's own file. */
import { commandNumber, commands } from '../engine/commands.ts';
import { fits, word } from './commands/command.ts';
import { serverCommands } from './commands/index.ts';
import type { Connection } from './connection.ts';
import type { Services } from './context.ts';
import type { Reply } from './reply.ts';
import type { ThreadStatistics } from './statistics.ts';

export class Dispatcher {
  readonly #services: Services;
  readonly #statistics: ThreadStatistics;

  constructor(services: Services, statistics: ThreadStatistics) {
    this.#services = services;
    this.#statistics = statistics;
  }

  /** A promise: the command is not done yet. Never throws, never rejects. */
  run(
    connection: Connection,
    views: readonly Uint8Array[],
    reply: Reply,
  ): Promise<void> | undefined {
    // The engine's views are gone with its next call; rare commands may be copied.
    const given = views.map((view) => Buffer.from(view));
    const name = word(given[0]);
    const command = serverCommands.get(name);
    const row = commandNumber(name);
    if (command === undefined) {
      this.#statistics.add('unknownCommands', 1);
      reply.error(unknownCommand(given));
      return undefined;
    }
    if (!fits(command.arity, given.length)) {
      reply.error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
      this.#count(row, reply);
      return undefined;
    }
    connection.client.lastCommand = lastCommand(row, given);
    const done = command.run({ arguments: given, connection, services: this.#services, reply });
    if (done === undefined) {
      this.#count(row, reply);
      return undefined;
    }
    return done.then(() => this.#count(row, reply));
  }

  #count(row: number, reply: Reply): void {
    if (row >= 0) {
      this.#statistics.countCommand(row, reply.failed);
    }
  }
}

/** As Redis words it: at most 128 bytes of name and of arguments. */
export function unknownCommand(given: readonly Buffer[]): string {
  const name = (given[0] ?? '').toString('latin1').slice(0, 128);
  let shown = '';
  for (const argument of given.slice(1)) {
    if (shown.length >= 128) {
      break;
    }
    shown += `'${argument.toString('latin1').slice(0, 128 - shown.length)}' `;
  }
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
}

/** `client|list` of CLIENT LIST. */
function lastCommand(row: number, given: readonly Buffer[]): string {
  const name = word(given[0]).toLowerCase();
  const isContainer = commands[row]?.name === 'CLIENT' || commands[row]?.name === 'CLUSTER';
  const second = given[1]?.toString('latin1').toLowerCase().slice(0, 32) ?? '';
  return isContainer && /^[a-z-]+$/.test(second) ? `${name}|${second}` : name;
}
