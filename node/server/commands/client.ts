import { serverLimits } from '../limits.ts';
import { describeConnection, parseKillFilter, parseListFilter } from './client-list.ts';
import { type Call, container, type Subcommand, word } from './command.ts';
import { clientNameProblem } from './hello.ts';

const id: Subcommand = {
  name: 'ID',
  arity: 2,
  usage: '',
  help: ['Return the ID of the current connection.'],
  run: ({ connection, reply }) => reply.integer(connection.client.id),
};

const info: Subcommand = {
  name: 'INFO',
  arity: 2,
  usage: '',
  help: ['Return information about the current client connection.'],
  run: ({ connection, services, reply }) =>
    reply.verbatim(`${describeConnection(connection, services.clock.monotonicMs())}\n`),
};

const list: Subcommand = {
  name: 'LIST',
  arity: -2,
  usage: '[options ...]',
  help: [
    'Return information about client connections. Options:',
    '* TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
    '* ID <client-id> [<client-id> ...]',
  ],
  run: async ({ arguments: given, services, reply }) => {
    const parsed = parseListFilter(given.slice(2));
    if ('error' in parsed) {
      return reply.error(parsed.error);
    }
    const answers = await services.ask({ kind: 'clients', filter: parsed.filter });
    const lines = answers.flat().sort((left, right) => idOf(left) - idOf(right));
    return reply.verbatim(lines.map((line) => `${line}\n`).join(''));
  },
};

const getName: Subcommand = {
  name: 'GETNAME',
  arity: 2,
  usage: '',
  help: ['Return the name of the current connection.'],
  run: ({ connection, reply }) => {
    const { name } = connection.client;
    return name === '' ? reply.null() : reply.bulk(name);
  },
};

const setName: Subcommand = {
  name: 'SETNAME',
  arity: 3,
  usage: '<name>',
  help: ['Assign the name <name> to the current connection.'],
  run: ({ arguments: given, connection, reply }) => {
    const name = (given[2] ?? '').toString('utf8');
    const problem = clientNameProblem(name) ?? lengthProblem(name);
    if (problem !== undefined) {
      return reply.error(problem);
    }
    connection.client.name = name;
    return reply.ok();
  },
};

const setInfo: Subcommand = {
  name: 'SETINFO',
  arity: 4,
  usage: '<option> <value>',
  help: [
    'Set client meta attr. Options are:',
    '* LIB-NAME: the client lib name.',
    '* LIB-VER: the client lib version.',
  ],
  run: ({ arguments: given, connection, reply }) => {
    const option = word(given[2]);
    const value = (given[3] ?? '').toString('utf8');
    if (option !== 'LIB-NAME' && option !== 'LIB-VER') {
      return reply.error(`ERR Unrecognized option '${given[2]?.toString('latin1')}'`);
    }
    if (!/^[!-~]*$/.test(value)) {
      return reply.error(
        `ERR ${option.toLowerCase()} cannot contain spaces, newlines or special characters.`,
      );
    }
    const problem = lengthProblem(value);
    if (problem !== undefined) {
      return reply.error(problem);
    }
    connection.client[option === 'LIB-NAME' ? 'libraryName' : 'libraryVersion'] = value;
    return reply.ok();
  },
};

const kill: Subcommand = {
  name: 'KILL',
  arity: -3,
  usage: '<option> [...]',
  help: [
    'Kill connections. Options are:',
    '* <addr> (<ip:port>): kill the connection from there',
    '* ADDR <ip:port>, LADDR <ip:port>, ID <client-id>, USER <name>, MAXAGE <seconds>',
    '* TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
    '* SKIPME (YES|NO): skip the connection that calls (default: yes).',
  ],
  run: (call) => (call.arguments.length === 3 ? killAddress(call) : killMatching(call)),
};

async function killAddress({ arguments: given, connection, services, reply }: Call): Promise<void> {
  const address = (given[2] ?? '').toString('latin1');
  if (address === connection.client.address) {
    connection.client.quits = true;
    return reply.ok();
  }
  const killed = await services.ask({ kind: 'kill', filter: { addresses: [address] } });
  return killed.flat().length > 0 ? reply.ok() : reply.error('ERR No such client');
}

async function killMatching({
  arguments: given,
  connection,
  services,
  reply,
}: Call): Promise<void> {
  const parsed = parseKillFilter(given.slice(2));
  if ('error' in parsed) {
    return reply.error(parsed.error);
  }
  // This connection must still hear the answer: it is left out and, if it matches too, closes after it.
  const own = connection.client.id;
  const filter = { ...parsed.filter, notIds: [own] };
  const killed = (await services.ask({ kind: 'kill', filter })).flat().length;
  let self = 0;
  if (!parsed.skipMe) {
    const mine = await services.ask({ kind: 'clients', filter: parsed.filter });
    self = mine.flat().some((line) => idOf(line) === own) ? 1 : 0;
    connection.client.quits = self === 1;
  }
  return reply.integer(killed + self);
}

const replyMode: Subcommand = {
  name: 'REPLY',
  arity: 3,
  usage: '(ON|OFF|SKIP)',
  help: ['Control the replies sent to the current connection.'],
  run: ({ arguments: given, connection, reply }) => {
    const mode = word(given[2]);
    if (mode !== 'ON' && mode !== 'OFF' && mode !== 'SKIP') {
      return reply.error('ERR syntax error');
    }
    connection.client.setReplies(mode === 'ON' ? 'on' : mode === 'OFF' ? 'off' : 'skip');
    return reply.ok();
  },
};

const noEvict = onOff('NO-EVICT', 'Protect current client connection from eviction.', 'noEvict');
const noTouch = onOff(
  'NO-TOUCH',
  'Commands of this connection do not count as use of keys.',
  'noTouch',
);

function onOff(name: string, help: string, field: 'noEvict' | 'noTouch'): Subcommand {
  return {
    name,
    arity: 3,
    usage: '(ON|OFF)',
    help: [help],
    run: ({ arguments: given, connection, reply }) => {
      const mode = word(given[2]);
      if (mode !== 'ON' && mode !== 'OFF') {
        return reply.error('ERR syntax error');
      }
      connection.client[field] = mode === 'ON';
      return reply.ok();
    },
  };
}

const getRedirection: Subcommand = {
  name: 'GETREDIR',
  arity: 2,
  usage: '',
  help: ['Return the client ID that tracking messages go to: none, -1.'],
  run: ({ reply }) => reply.integer(-1),
};

const unblock: Subcommand = {
  name: 'UNBLOCK',
  arity: -3,
  usage: '<clientid> [TIMEOUT|ERROR]',
  help: ['Unblock the specified blocked client: no command here blocks, so 0.'],
  run: ({ arguments: given, reply }) =>
    /^\d+$/.test(given[2]?.toString('latin1') ?? '')
      ? reply.integer(0)
      : reply.error('ERR value is not an integer or out of range'),
};

function lengthProblem(text: string): string | undefined {
  const max = serverLimits.clientNameBytesMax;
  return text.length > max ? `ERR names have at most ${max} bytes` : undefined;
}

function idOf(line: string): number {
  return Number(/^id=(\d+)/.exec(line)?.[1] ?? Number.NaN);
}

export const client = container('CLIENT', [
  id,
  info,
  list,
  getName,
  setName,
  setInfo,
  kill,
  replyMode,
  noEvict,
  noTouch,
  getRedirection,
  unblock,
]);
