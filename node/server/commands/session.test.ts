import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, withClient } from '../testing/commands.ts';

describe('RESET, QUIT, SELECT, READONLY, READWRITE, ASKING, TIME', () => {
  it('RESET makes the connection as new', () =>
    withClient(async (client) => {
      await ask(client, 'HELLO', '3', 'SETNAME', 'me');
      await client.expect(['RESET'], '+RESET\r\n');
      await client.expect(['CLIENT', 'GETNAME'], '$-1\r\n');
    }));

  it('QUIT answers, closes and drops what follows', () =>
    withClient(async (client) => {
      client.command('SET', 'a', '1').command('QUIT').command('GET', 'a');
      expect(await client.rest()).to.equal('+OK\r\n+OK\r\n');
    }));

  it('there is one database', () =>
    expectReplies([
      ['SELECT 0', '+OK\r\n'],
      ['SELECT 1', '-ERR SELECT is not allowed in cluster mode\r\n'],
      ['SELECT x', '-ERR value is not an integer or out of range\r\n'],
      ['SELECT', "-ERR wrong number of arguments for 'select' command\r\n"],
    ]));

  it('modes of a connection are accepted and told', () =>
    withClient(async (client) => {
      await client.expect(['ASKING'], '+OK\r\n');
      await client.expect(['READONLY'], '+OK\r\n');
      expect(await ask(client, 'CLIENT', 'INFO')).to.contain(' flags=r ');
      await client.expect(['READWRITE'], '+OK\r\n');
      expect(await ask(client, 'CLIENT', 'INFO')).to.contain(' flags=N ');
    }));

  it('TIME is the clock of the node', () =>
    withClient(async (client) => {
      const before = Math.floor(Date.now() / 1000);
      const [seconds, microseconds] = (await ask(client, 'TIME')) as [string, string];
      expect(Number(seconds)).to.be.within(before, Date.now() / 1000);
      expect(Number(microseconds)).to.be.within(0, 999_999);
    }));
});

describe('unknown commands', () => {
  it('hear what Redis says', () =>
    expectReplies([
      ['FOO', "-ERR unknown command 'FOO', with args beginning with: \r\n"],
      ['foo a b', "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"],
      [['foo', 'a\r\nb'], "-ERR unknown command 'foo', with args beginning with: 'a  b' \r\n"],
      [
        ['foo', 'x'.repeat(200)],
        `-ERR unknown command 'foo', with args beginning with: '${'x'.repeat(128)}' \r\n`,
      ],
    ]));
});
