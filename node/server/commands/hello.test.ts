import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, withClient } from '../testing/commands.ts';

describe('HELLO', () => {
  it('chooses the protocol of its own answer and of those to come', () =>
    withClient(async (client) => {
      const three = (await ask(client, 'HELLO', '3')) as Map<string, unknown>;
      expect([...three.keys()]).to.deep.equal([
        'server',
        'version',
        'proto',
        'id',
        'mode',
        'role',
        'modules',
      ]);
      expect(three.get('proto')).to.equal(3);
      expect(three.get('mode')).to.equal('cluster');
      await client.expect(['GET', 'absent'], '_\r\n');
      const two = (await ask(client, 'HELLO', '2')) as unknown[];
      expect(two.slice(0, 6)).to.deep.equal([
        'server',
        'r_db',
        'version',
        '0.0.0-test',
        'proto',
        2,
      ]);
      await client.expect(['GET', 'absent'], '$-1\r\n');
      expect(((await ask(client, 'HELLO')) as unknown[])[5]).to.equal(2);
    }));

  it('sets the name, and changes nothing when an option is wrong', () =>
    withClient(async (client) => {
      await ask(client, 'HELLO', '3', 'SETNAME', 'me');
      await client.expect(['CLIENT', 'GETNAME'], '$2\r\nme\r\n');
      expect(await ask(client, 'HELLO', '2', 'SETNAME', 'a b')).to.be.instanceOf(Error);
      await client.expect(['GET', 'absent'], '_\r\n');
    }));

  it('refuses as Redis does', () =>
    expectReplies([
      ['HELLO x', '-ERR Protocol version is not an integer or out of range\r\n'],
      ['HELLO 4', '-NOPROTO unsupported protocol version\r\n'],
      ['HELLO 2 FOO', "-ERR Syntax error in HELLO option 'FOO'\r\n"],
      ['HELLO 2 SETNAME', "-ERR Syntax error in HELLO option 'SETNAME'\r\n"],
      [
        'HELLO 2 AUTH user word',
        '-WRONGPASS invalid username-password pair or user is disabled: ' +
          'this cluster has no authentication, leave AUTH out\r\n',
      ],
    ]));
});
