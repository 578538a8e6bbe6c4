/** Lines of CLIENT LIST and CLIENT INFO, and the filters of LIST and KILL. */
import type { Connection } from '../connection.ts';
import type { ClientFilter } from '../questions.ts';
import { word } from './command.ts';

/** One line, in Redis' own format; fields that mean nothing here have the value of an idle client. */
export function describeConnection(connection: Connection, nowMs: number): string {
  const { client } = connection;
  const seconds = (sinceMs: number) => Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
  const flags = `${client.readOnly ? 'r' : ''}${client.noEvict ? 'e' : ''}${client.noTouch ? 'T' : ''}`;
  const fields: readonly [name: string, value: string | number][] = [
    ['id', client.id],
    ['addr', client.address],
    ['laddr', client.localAddress],
    ['fd', -1],
    ['name', client.name],
    ['age', seconds(client.bornMs)],
    ['idle', seconds(client.activeMs)],
    ['flags', flags === '' ? 'N' : flags],
    ['db', 0],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', -1],
    ['qbuf', connection.heldBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', 0],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', connection.unsentBytes > 0 ? 1 : 0],
    ['omem', connection.unsentBytes],
    ['tot-mem', connection.heldBytes + connection.unsentBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', client.protocol],
    ['lib-name', client.libraryName],
    ['lib-ver', client.libraryVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}

type Parsed =
  | { readonly filter: ClientFilter; readonly skipMe: boolean }
  | { readonly error: string };

/** `TYPE normal`, `ID 1 2 3` of CLIENT LIST. */
export function parseListFilter(given: readonly Buffer[]): Parsed {
  if (given.length === 0) {
    return { filter: {}, skipMe: false };
  }
  const option = word(given[0]);
  if (option === 'TYPE' && given.length === 2) {
    return typeFilter(given[1]) ?? { filter: {}, skipMe: false };
  }
  if (option === 'ID' && given.length >= 2) {
    const ids = given.slice(1).map(clientId);
    return ids.every((id) => id !== undefined)
      ? { filter: { ids }, skipMe: false }
      : { error: 'ERR Invalid client ID' };
  }
  return { error: 'ERR syntax error' };
}

/** `ID 5 ADDR 127.0.0.1:1 SKIPME no ...` of CLIENT KILL. */
export function parseKillFilter(given: readonly Buffer[]): Parsed {
  let filter: ClientFilter = {};
  let skipMe = true;
  if (given.length % 2 !== 0) {
    return { error: 'ERR syntax error' };
  }
  for (let index = 0; index < given.length; index += 2) {
    const option = word(given[index]);
    const argument = given[index + 1];
    const value = argument?.toString('latin1') ?? '';
    if (option === 'ID') {
      const id = clientId(argument);
      if (id === undefined) {
        return { error: 'ERR client-id should be greater than 0' };
      }
      filter = { ...filter, ids: [id] };
    } else if (option === 'TYPE') {
      const wrong = typeFilter(argument);
      if (wrong !== undefined && 'error' in wrong) {
        return wrong;
      }
      filter = { ...filter, ...wrong?.filter };
    } else if (option === 'ADDR') {
      filter = { ...filter, addresses: [value] };
    } else if (option === 'LADDR') {
      filter = { ...filter, localAddresses: [value] };
    } else if (option === 'USER') {
      if (value !== 'default') {
        return { error: `ERR No such user '${value}'` };
      }
    } else if (option === 'MAXAGE') {
      if (!/^\d{1,15}$/.test(value)) {
        return { error: 'ERR maxage is not an integer or out of range' };
      }
      filter = { ...filter, ageSecondsMin: Number(value) };
    } else if (option === 'SKIPME' && (word(argument) === 'YES' || word(argument) === 'NO')) {
      skipMe = word(argument) === 'YES';
    } else {
      return { error: 'ERR syntax error' };
    }
  }
  return { filter, skipMe };
}

/** Every client here is a normal one; other known types match nobody. */
function typeFilter(argument: Buffer | undefined): Parsed | undefined {
  switch (word(argument)) {
    case 'NORMAL':
      return undefined;
    case 'MASTER':
    case 'REPLICA':
    case 'SLAVE':
    case 'PUBSUB':
      return { filter: { ids: [] }, skipMe: false };
    default:
      return { error: `ERR Unknown client type '${argument?.toString('latin1') ?? ''}'` };
  }
}

function clientId(argument: Buffer | undefined): number | undefined {
  const text = argument?.toString('latin1') ?? '';
  return /^[1-9]\d{0,15}$/.test(text) ? Number(text) : undefined;
}
