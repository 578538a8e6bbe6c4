import { type CommandRow, commands } from '../../engine/commands.ts';
import type { Reply } from '../reply.ts';
import { container, fits, type ServerCommand, type Subcommand, word } from './command.ts';
import { globToExpression } from './glob.ts';

const byName = new Map(commands.map((row) => [row.name, row]));

const count: Subcommand = {
  name: 'COUNT',
  arity: 2,
  usage: '',
  help: ['Return the total number of commands in this server.'],
  run: ({ reply }) => reply.integer(commands.length),
};

const info: Subcommand = {
  name: 'INFO',
  arity: -2,
  usage: '[<command-name> ...]',
  help: ['Return details about multiple commands. Without names: about all.'],
  run: ({ arguments: given, reply }) => {
    const rows =
      given.length === 2 ? commands : given.slice(2).map((name) => byName.get(word(name)));
    writeRows(reply, rows);
  },
};

const docs: Subcommand = {
  name: 'DOCS',
  arity: -2,
  usage: '[<command-name> ...]',
  help: ['Return documentation details about multiple commands. Without names: about all.'],
  run: ({ arguments: given, reply }) => {
    const rows =
      given.length === 2
        ? commands
        : given.slice(2).flatMap((name) => byName.get(word(name)) ?? []);
    reply.map(rows.length);
    for (const row of rows) {
      reply.bulk(row.name.toLowerCase());
      reply.map(4);
      reply.bulk('summary');
      reply.bulk(row.summary);
      reply.bulk('since');
      reply.bulk(row.since);
      reply.bulk('group');
      reply.bulk(row.group);
      reply.bulk('arity');
      reply.integer(row.arity);
    }
  },
};

const list: Subcommand = {
  name: 'LIST',
  arity: -2,
  usage: '[FILTERBY (MODULE <module-name>|ACLCAT <cat>|PATTERN <pattern>)]',
  help: ['Return a list of all commands in this server.'],
  run: ({ arguments: given, reply }) => {
    const names = commands.map((row) => row.name.toLowerCase());
    if (given.length === 2) {
      return reply.bulks(names);
    }
    if (given.length !== 5 || word(given[2]) !== 'FILTERBY') {
      return reply.error('ERR syntax error');
    }
    const value = given[4]?.toString('latin1').toLowerCase() ?? '';
    switch (word(given[3])) {
      case 'MODULE':
        return reply.bulks([]);
      case 'ACLCAT':
        return reply.bulks(
          commands.filter((row) => categories(row).includes(`@${value}`)).map(lowerName),
        );
      case 'PATTERN': {
        const pattern = globToExpression(value);
        return reply.bulks(names.filter((name) => pattern.test(name)));
      }
      default:
        return reply.error('ERR syntax error');
    }
  },
};

const getKeys: Subcommand = {
  name: 'GETKEYS',
  arity: -3,
  usage: '<full-command>',
  help: ['Return the keys from a full Redis command.'],
  run: ({ arguments: given, reply }) => {
    const full = given.slice(2);
    const row = byName.get(word(full[0]));
    if (row === undefined) {
      return reply.error('ERR Invalid command specified');
    }
    if (row.firstKey === 0) {
      return reply.error('ERR The command has no key arguments');
    }
    if (!fits(row.arity, full.length)) {
      return reply.error('ERR Invalid number of arguments specified for command');
    }
    const last = row.lastKey < 0 ? full.length + row.lastKey : row.lastKey;
    const keys: Buffer[] = [];
    for (let index = row.firstKey; index <= last; index += row.step) {
      keys.push(full[index] ?? Buffer.alloc(0));
    }
    return reply.bulks(keys);
  },
};

const subcommands = container('COMMAND', [count, info, docs, list, getKeys]);

/** COMMAND: the table that dispatch reads, told as Redis tells its own. */
export const commandTable: ServerCommand = {
  name: 'COMMAND',
  arity: -1,
  run: (call) =>
    call.arguments.length === 1 ? writeRows(call.reply, commands) : subcommands.run(call),
};

function writeRows(reply: Reply, rows: readonly (CommandRow | undefined)[]): void {
  reply.array(rows.length);
  for (const row of rows) {
    if (row === undefined) {
      reply.null();
      continue;
    }
    reply.array(10);
    reply.bulk(row.name.toLowerCase());
    reply.integer(row.arity);
    writeSimpleSet(reply, row.flags);
    reply.integer(row.firstKey);
    reply.integer(row.lastKey);
    reply.integer(row.step);
    writeSimpleSet(reply, categories(row));
    // Tips, key specifications, subcommands: clients use the positions above.
    reply.array(0);
    reply.array(0);
    reply.array(0);
  }
}

function writeSimpleSet(reply: Reply, words: readonly string[]): void {
  reply.set(words.length);
  for (const one of words) {
    reply.simple(one);
  }
}

/** ACL categories, as far as the table tells them. */
function categories(row: CommandRow): string[] {
  const isWrite = row.flags.includes('write');
  const isRead = row.flags.includes('readonly');
  const group = {
    string: 'string',
    generic: 'keyspace',
    connection: 'connection',
    server: 'admin',
    cluster: 'admin',
  };
  return [
    ...(isWrite ? ['@write'] : []),
    ...(isRead ? ['@read'] : []),
    `@${group[row.group]}`,
    row.flags.includes('fast') ? '@fast' : '@slow',
  ];
}

function lowerName(row: CommandRow): string {
  return row.name.toLowerCase();
}
