import { expect } from 'chai';
import { describe, it } from 'mocha';
import { commands } from '../../engine/commands.ts';
import { ask, expectReplies, withClient } from '../testing/commands.ts';
import { serverCommands } from './index.ts';

describe('COMMAND', () => {
  it('refuses as Redis does', () =>
    expectReplies([
      ['COMMAND FOO', "-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n"],
      ['COMMAND COUNT x', "-ERR wrong number of arguments for 'command|count' command\r\n"],
      ['COMMAND INFO nosuch', '*1\r\n$-1\r\n'],
      ['COMMAND DOCS nosuch', '*0\r\n'],
      ['COMMAND GETKEYS nosuch x', '-ERR Invalid command specified\r\n'],
      ['COMMAND GETKEYS ping x', '-ERR The command has no key arguments\r\n'],
      ['COMMAND GETKEYS get a b', '-ERR Invalid number of arguments specified for command\r\n'],
      ['COMMAND GETKEYS mset a 1 b 2', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
      ['COMMAND GETKEYS set a 1 EX 5', '*1\r\n$1\r\na\r\n'],
      ['COMMAND LIST FILTERBY MODULE x', '*0\r\n'],
      ['COMMAND LIST FILTERBY PATTERN ge?', '*1\r\n$3\r\nget\r\n'],
      ['COMMAND LIST FOO a b', '-ERR syntax error\r\n'],
      ['COMMAND COUNT', `:${commands.length}\r\n`],
    ]));

  it('tells each command as the table has it', () =>
    withClient(async (client) => {
      const all = (await ask(client, 'COMMAND')) as unknown[][];
      expect(all.map(([name]) => name)).to.deep.equal(
        commands.map(({ name }) => name.toLowerCase()),
      );
      const [set] = (await ask(client, 'COMMAND', 'INFO', 'SET')) as unknown[][];
      expect(set?.slice(0, 7)).to.deep.equal([
        'set',
        -3,
        ['write', 'denyoom'],
        1,
        1,
        1,
        ['@write', '@string', '@slow'],
      ]);
      await ask(client, 'HELLO', '3');
      const docs = (await ask(client, 'COMMAND', 'DOCS', 'get')) as Map<
        string,
        Map<string, unknown>
      >;
      expect(docs.get('get')?.get('group')).to.equal('string');
      const reads = (await ask(
        client,
        'COMMAND',
        'LIST',
        'FILTERBY',
        'ACLCAT',
        'read',
      )) as string[];
      expect(reads).to.include.members(['get', 'mget', 'scan']).and.not.include('set');
    }));

  it('has a file for each row that runs in the server, and a row for each file', () => {
    const rows = commands.filter(({ runs }) => runs === 'server');
    expect(rows.map(({ name }) => name)).to.have.members([...serverCommands.keys()]);
    for (const { name, arity } of rows) {
      expect(serverCommands.get(name)?.arity, name).to.equal(arity);
    }
  });
});
