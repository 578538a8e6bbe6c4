/**
 * The command table: one row for each command. It feeds the dispatch in WebAssembly (`build.ts` makes
 * constants of it), `COMMAND`, the metrics and the docs.
 */
export interface CommandRow {
  /** Upper case; at most 16 letters. */
  readonly name: string;
  /** As Redis counts: the name included; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** Position of the first key (0: none), of the last (negative: from the end) and their distance. */
  readonly firstKey: number;
  readonly lastKey: number;
  readonly step: number;
  /** Where it runs: inside WebAssembly, or in JavaScript after `Stop.Call`. */
  readonly runs: 'engine' | 'server';
  readonly group: 'string' | 'generic' | 'connection' | 'server' | 'cluster';
  readonly summary: string;
  /** The version of Redis that brought it. */
  readonly since: string;
}

export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'fast'
  | 'admin'
  | 'loading'
  | 'stale'
  | 'noscript'
  | 'no_auth'
  | 'movablekeys';

type Group = CommandRow['group'];
type Keys = readonly [first: number, last: number, step: number];
const none: Keys = [0, 0, 0];
const one: Keys = [1, 1, 1];
const all: Keys = [1, -1, 1];

function row(
  runs: CommandRow['runs'],
  group: Group,
  name: string,
  arity: number,
  flags: string,
  keys: Keys,
  since: string,
  summary: string,
): CommandRow {
  return {
    name,
    arity,
    flags: flags.split(' ') as CommandFlag[],
    firstKey: keys[0],
    lastKey: keys[1],
    step: keys[2],
    runs,
    group,
    summary,
    since,
  };
}

/** The row's index is the command's number everywhere. */
export const commands: readonly CommandRow[] = [
  row('engine', 'string', 'GET', 2, 'readonly fast', one, '1.0.0', 'Value of a key'),
  row('engine', 'string', 'SET', -3, 'write denyoom', one, '1.0.0', 'Sets a key, with options'),
  row('engine', 'string', 'SETNX', 3, 'write denyoom fast', one, '1.0.0', 'Sets an absent key'),
  row('engine', 'string', 'MGET', -2, 'readonly fast', all, '1.0.0', 'Values of several keys'),
  row('engine', 'string', 'MSET', -3, 'write denyoom', [1, -1, 2], '1.0.1', 'Sets several keys'),
  row('engine', 'generic', 'DEL', -2, 'write', all, '1.0.0', 'Deletes keys'),
  row('engine', 'generic', 'EXISTS', -2, 'readonly fast', all, '1.0.0', 'Counts keys that exist'),
  row('engine', 'string', 'INCR', 2, 'write denyoom fast', one, '1.0.0', 'Adds one'),
  row('engine', 'string', 'DECR', 2, 'write denyoom fast', one, '1.0.0', 'Subtracts one'),
  row('engine', 'string', 'INCRBY', 3, 'write denyoom fast', one, '1.0.0', 'Adds an integer'),
  row('engine', 'string', 'DECRBY', 3, 'write denyoom fast', one, '1.0.0', 'Subtracts an integer'),
  row('engine', 'string', 'APPEND', 3, 'write denyoom fast', one, '2.0.0', 'Appends to a value'),
  row('engine', 'string', 'STRLEN', 2, 'readonly fast', one, '2.2.0', 'Length of a value'),
  row('engine', 'generic', 'EXPIRE', -3, 'write fast', one, '1.0.0', 'Sets expiry in seconds'),
  row(
    'engine',
    'generic',
    'PEXPIRE',
    -3,
    'write fast',
    one,
    '2.6.0',
    'Sets expiry in milliseconds',
  ),
  row('engine', 'generic', 'TTL', 2, 'readonly fast', one, '1.0.0', 'Seconds to live'),
  row('engine', 'generic', 'PTTL', 2, 'readonly fast', one, '2.6.0', 'Milliseconds to live'),
  row('engine', 'generic', 'PERSIST', 2, 'write fast', one, '2.2.0', 'Removes the expiry'),
  row('engine', 'generic', 'TYPE', 2, 'readonly fast', one, '1.0.0', 'Type of a value'),
  row('engine', 'connection', 'PING', -1, 'fast', none, '1.0.0', 'Answers PONG'),
  row(
    'engine',
    'connection',
    'ECHO',
    2,
    'loading stale fast',
    none,
    '1.0.0',
    'Answers its argument',
  ),
  row('server', 'generic', 'SCAN', -2, 'readonly', none, '2.8.0', 'Walks the keys of this node'),
  row(
    'server',
    'server',
    'DBSIZE',
    1,
    'readonly fast',
    none,
    '1.0.0',
    'Counts the keys of this node',
  ),
  row(
    'server',
    'connection',
    'HELLO',
    -1,
    'noscript loading stale fast no_auth',
    none,
    '6.0.0',
    'Chooses the protocol',
  ),
  row(
    'server',
    'connection',
    'RESET',
    1,
    'noscript loading stale fast no_auth',
    none,
    '6.2.0',
    'Resets the connection',
  ),
  row(
    'server',
    'connection',
    'QUIT',
    -1,
    'noscript loading stale fast no_auth',
    none,
    '1.0.0',
    'Closes the connection',
  ),
  row(
    'server',
    'connection',
    'SELECT',
    2,
    'loading stale fast',
    none,
    '1.0.0',
    'Accepts database 0 only',
  ),
  row(
    'server',
    'connection',
    'CLIENT',
    -2,
    'noscript loading stale',
    none,
    '2.4.0',
    'About this connection',
  ),
  row('server', 'server', 'COMMAND', -1, 'loading stale', none, '2.8.13', 'About the commands'),
  row('server', 'server', 'INFO', -1, 'loading stale', none, '1.0.0', 'About this node'),
  row('server', 'cluster', 'CLUSTER', -2, 'loading stale', none, '3.0.0', 'About the cluster'),
  row(
    'server',
    'cluster',
    'READONLY',
    1,
    'loading stale fast',
    none,
    '3.0.0',
    'Allows stale reads',
  ),
  row('server', 'cluster', 'READWRITE', 1, 'loading stale fast', none, '3.0.0', 'Ends READONLY'),
  row('server', 'cluster', 'ASKING', 1, 'fast', none, '3.0.0', 'Accepted, without effect'),
  row(
    'server',
    'generic',
    'WAIT',
    3,
    'noscript',
    none,
    '3.0.0',
    'Counts the replicas that have what this connection wrote',
  ),
  row('server', 'server', 'TIME', 1, 'loading stale fast', none, '2.6.0', 'Clock of this node'),
  row('server', 'server', 'CONFIG', -2, 'admin noscript loading stale', none, '2.0.0', 'Settings'),
];

/** Number of a command by its upper-case name. */
export function commandNumber(name: string): number {
  return commands.findIndex((command) => command.name === name);
}
