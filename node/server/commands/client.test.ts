import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, readReply, withClient } from '../testing/commands.ts';
import { RawClient } from '../testing/raw-client.ts';

describe('CLIENT', () => {
  it('refuses as Redis does', () =>
    expectReplies([
      ['CLIENT', "-ERR wrong number of arguments for 'client' command\r\n"],
      ['CLIENT FOO', "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"],
      ['CLIENT SETNAME', "-ERR wrong number of arguments for 'client|setname' command\r\n"],
      [
        ['CLIENT', 'SETNAME', 'a b'],
        '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
      ],
      ['CLIENT KILL nobody', '-ERR No such client\r\n'],
      ['CLIENT KILL ID 0', '-ERR client-id should be greater than 0\r\n'],
      ['CLIENT KILL TYPE foo', "-ERR Unknown client type 'foo'\r\n"],
      ['CLIENT KILL USER bob', "-ERR No such user 'bob'\r\n"],
      ['CLIENT KILL SKIPME maybe', '-ERR syntax error\r\n'],
      ['CLIENT LIST FOO', '-ERR syntax error\r\n'],
      ['CLIENT LIST ID x', '-ERR Invalid client ID\r\n'],
      ['CLIENT REPLY foo', '-ERR syntax error\r\n'],
      ['CLIENT NO-EVICT x', '-ERR syntax error\r\n'],
      ['CLIENT SETINFO FOO x', "-ERR Unrecognized option 'FOO'\r\n"],
      ['CLIENT GETREDIR', ':-1\r\n'],
      ['CLIENT UNBLOCK 7', ':0\r\n'],
    ]));

  it('tells and changes what it knows of the connection', () =>
    withClient(async (client) => {
      await client.expect(['CLIENT', 'GETNAME'], '$-1\r\n');
      await client.expect(['CLIENT', 'SETNAME', 'me'], '+OK\r\n');
      await client.expect(['CLIENT', 'SETINFO', 'lib-name', 'test'], '+OK\r\n');
      await client.expect(['CLIENT', 'SETINFO', 'lib-ver', '1.2'], '+OK\r\n');
      await client.expect(['CLIENT', 'NO-EVICT', 'on'], '+OK\r\n');
      await client.expect(['CLIENT', 'NO-TOUCH', 'on'], '+OK\r\n');
      const id = await ask(client, 'CLIENT', 'ID');
      const info = await ask(client, 'CLIENT', 'INFO');
      const { localPort } = client.socket;
      for (const field of [
        `id=${id} `,
        `addr=127.0.0.1:${localPort} `,
        'name=me ',
        'flags=eT ',
        'resp=2 ',
        'cmd=client|info ',
        'lib-name=test lib-ver=1.2',
      ]) {
        expect(info).to.contain(field);
      }
    }));

  it('lists connections, all or some', () =>
    withClient(async (client, { port }) => {
      await using other = await RawClient.connect(port);
      const own = (await ask(client, 'CLIENT', 'ID')) as number;
      const id = (await ask(other, 'CLIENT', 'ID')) as number;
      expect(id).to.be.greaterThan(own);
      const all = (await ask(client, 'CLIENT', 'LIST')) as string;
      expect(all.split('\n').map((line) => line.split(' ')[0])).to.deep.equal([
        `id=${own}`,
        `id=${id}`,
        '',
      ]);
      const one = (await ask(client, 'CLIENT', 'LIST', 'ID', String(id), '999')) as string;
      expect(one).to.match(new RegExp(`^id=${id} [^\\n]*\\n$`));
      expect(await ask(client, 'CLIENT', 'LIST', 'TYPE', 'pubsub')).to.equal('');
      expect(await ask(client, 'CLIENT', 'LIST', 'TYPE', 'normal')).to.contain(`id=${own} `);
    }));

  it('kills others, and itself only when asked to, after the answer', () =>
    withClient(async (client, { port }) => {
      const others = await Promise.all([RawClient.connect(port), RawClient.connect(port)]);
      const [first, second] = others;
      const address = `127.0.0.1:${first?.socket.localPort}`;
      await client.expect(['CLIENT', 'KILL', address], '+OK\r\n');
      await first?.rest();
      await client.expect(['CLIENT', 'KILL', 'TYPE', 'normal'], ':1\r\n');
      await second?.rest();
      client.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no').command('PING');
      expect(await client.rest()).to.equal(':1\r\n');
      for (const other of others) other.socket.destroy();
    }));

  it('turns replies off and on, or leaves one out', () =>
    withClient(async (client) => {
      client.command('CLIENT', 'REPLY', 'SKIP').command('SET', 'a', '1').command('GET', 'a');
      expect(await readReply(client)).to.equal('1');
      client.command('CLIENT', 'REPLY', 'SKIP').command('CLIENT', 'ID').command('PING');
      expect(await readReply(client)).to.equal('PONG');
      client.command('CLIENT', 'REPLY', 'OFF').command('INCR', 'a').command('CLIENT', 'ID');
      client.command('CLIENT', 'REPLY', 'SKIP').command('NOSUCH').command('INCR', 'a');
      client.command('CLIENT', 'REPLY', 'ON').command('GET', 'a');
      expect(await readReply(client)).to.equal('OK');
      expect(await readReply(client)).to.equal('3');
    }));

  it('leaves out a long value too', () =>
    withClient(async (client) => {
      await client.expect(['SET', 'long', 'v'.repeat(200_000)], '+OK\r\n');
      client.command('CLIENT', 'REPLY', 'SKIP').command('GET', 'long').command('PING');
      expect(await readReply(client)).to.equal('PONG');
    }));

  it('explains itself', () =>
    withClient(async (client) => {
      const lines = (await ask(client, 'CLIENT', 'HELP')) as string[];
      expect(lines[0]).to.match(/^CLIENT <subcommand>/);
      expect(lines).to.include.members(['ID', 'SETNAME <name>', 'HELP']);
    }));
});
