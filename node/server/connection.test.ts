import { once } from 'node:events';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { serverLimits } from './limits.ts';
import { encode, RawClient } from './testing/raw-client.ts';
import { type Served, type ServeOptions, serve } from './testing/serve.ts';

async function withServer(
  test: (served: Served) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  await using served = await serve(options);
  await test(served);
}

for (const threads of [1, 2]) {
  describe(`RESP connections, ${threads} threads`, () => {
    it('answers a pipeline in order, however it is cut into pieces', () =>
      withServer(
        async ({ port }) => {
          const commands = Array.from({ length: 50 }, (_, index) =>
            encode(index % 2 === 0 ? ['SET', `k${index}`, `v${index}`] : ['GET', `k${index - 1}`]),
          );
          const bytes = Buffer.concat(commands);
          const replies = Array.from({ length: 50 }, (_, index) => {
            const value = `v${index - 1}`;
            return index % 2 === 0 ? '+OK\r\n' : `$${value.length}\r\n${value}\r\n`;
          }).join('');
          for (const piece of [1, 7, 100, bytes.length]) {
            await using client = await RawClient.connect(port);
            for (let at = 0; at < bytes.length; at += piece) {
              client.send(bytes.subarray(at, at + piece));
              // Only so are the pieces chunks of their own.
              await new Promise(setImmediate);
            }
            expect(await client.read(replies.length), `pieces of ${piece}`).to.equal(replies);
          }
        },
        { threads },
      ));

    it('keeps commands of the engine and of JavaScript in order', () =>
      withServer(
        async ({ port }) => {
          await using client = await RawClient.connect(port);
          client.command('SET', 'a', '1').command('CLIENT', 'SETNAME', 'me').command('GET', 'a');
          client.command('DBSIZE').command('CLIENT', 'LIST').command('INCR', 'a');
          expect(await client.read(21)).to.equal('+OK\r\n+OK\r\n$1\r\n1\r\n:1\r\n');
          const length = Number((await client.line()).slice(1));
          expect(await client.read(length)).to.contain('name=me');
          expect(await client.read(6)).to.equal('\r\n:2\r\n');
        },
        { threads },
      ));

    it('spreads connections over threads that share their data', () =>
      withServer(
        async ({ port, statistics }) => {
          const clients = await Promise.all(
            Array.from({ length: 40 }, () => RawClient.connect(port)),
          );
          await Promise.all(
            clients.map((client, index) => client.expect(['SET', `key${index}`, 'x'], '+OK\r\n')),
          );
          for (const client of clients) await client.expect(['EXISTS', 'key39'], ':1\r\n');
          const accepted = statistics.rows.map((row) => row.get('connectionsAccepted'));
          expect(accepted.reduce((sum, count) => sum + count)).to.equal(40);
          expect(accepted.every((count) => count > 0)).to.equal(true);
          for (const client of clients) client.socket.destroy();
        },
        { threads },
      ));
  });
}

describe('RESP connection', () => {
  it('takes values of every length in and out', () =>
    withServer(async ({ port, statistics }) => {
      await using client = await RawClient.connect(port);
      for (const length of [
        0, 1, 15, 255, 256, 16_383, 65_535, 65_536, 65_537, 300_000, 5_000_000,
      ]) {
        const value = Buffer.alloc(length, `${length}.`);
        await client.expect(['SET', 'long', value], '+OK\r\n');
        client.command('GET', 'long').command('PING');
        expect(await client.line()).to.equal(`$${length}`);
        expect((await client.read(length)) === value.toString('latin1'), `${length}`).to.equal(
          true,
        );
        expect(await client.read(9)).to.equal('\r\n+PONG\r\n');
      }
      expect(statistics.sum('heldArenaBytes')).to.equal(0);
    }));

  it('answers many long values in one pipeline', () =>
    withServer(async ({ port }) => {
      await using client = await RawClient.connect(port);
      const value = 'v'.repeat(200_000);
      await client.expect(['SET', 'long', value], '+OK\r\n');
      const count = 50;
      client.send(Buffer.concat(Array.from({ length: count }, () => encode(['GET', 'long']))));
      for (let index = 0; index < count; index++) {
        expect(await client.line()).to.equal('$200000');
        expect((await client.read(200_002)) === `${value}\r\n`).to.equal(true);
      }
    }));

  it('says what is wrong with a frame, then closes', () =>
    withServer(async ({ port, statistics }) => {
      const broken: readonly [bytes: string, error: RegExp][] = [
        ['*1\r\n+PING\r\n', /^-ERR Protocol error: expected '\$', got '\+'/],
        ['*x\r\n', /^-ERR Protocol error: invalid multibulk length/],
        ['*2147483647\r\n', /^-ERR Protocol error: invalid multibulk length/],
        ['*1\r\n$-5\r\n', /^-ERR Protocol error: invalid bulk length/],
        ['*1\r\n$999999999999\r\n', /^-ERR Protocol error: invalid bulk length/],
        ['GET "a\r\n', /^-ERR Protocol error: unbalanced quotes/],
        ['x'.repeat(70_000), /^-ERR Protocol error: too big inline request/],
      ];
      for (const [bytes, error] of broken) {
        await using client = await RawClient.connect(port);
        client.command('PING').send(bytes).command('PING');
        const rest = await client.rest();
        expect(rest.startsWith('+PONG\r\n'), bytes.slice(0, 20)).to.equal(true);
        expect(rest.slice(7)).to.match(error);
        expect(rest.slice(7)).to.match(/^[^\r]*\r\n$/);
      }
      expect(statistics.sum('protocolErrors')).to.equal(broken.length);
    }));

  it('refuses a command longer than any value makes it', () =>
    withServer(
      async ({ port }) => {
        await using client = await RawClient.connect(port);
        const value = 'x'.repeat(60_000);
        const words = Array.from({ length: 60 }, (_, index) => [`{k}${index}`, value]).flat();
        client.command('MSET', ...words);
        expect(await client.rest()).to.match(/^-ERR Protocol error: a command may have at most/);
      },
      { valueBytesMax: 65_536 },
    ));

  it('answers what came before the client closed its side', () =>
    withServer(async ({ port }) => {
      await using client = await RawClient.connect(port);
      client.command('SET', 'a', '1').command('GET', 'a').send('*1\r\n$4\r\nPI');
      client.socket.end();
      expect(await client.rest()).to.equal('+OK\r\n$1\r\n1\r\n');
    }));

  it('refuses more connections than it may have, and takes new ones when some left', () =>
    withServer(
      async ({ port, statistics }) => {
        const first = await RawClient.connect(port);
        await first.expect(['PING'], '+PONG\r\n');
        const second = await RawClient.connect(port);
        await second.expect(['PING'], '+PONG\r\n');
        await using third = await RawClient.connect(port);
        expect(await third.rest()).to.equal('-ERR max number of clients reached\r\n');
        expect(statistics.sum('connectionsRefused')).to.equal(1);
        first.socket.end();
        await first.rest();
        await once(first.socket, 'close');
        await using fourth = await RawClient.connect(port);
        await fourth.expect(['PING'], '+PONG\r\n');
        second.socket.destroy();
      },
      { settings: { connectionsMax: 2 } },
    ));

  it('waits for its shard, then goes on in order', () =>
    withServer(async ({ port, engine, lead }) => {
      await using client = await RawClient.connect(port);
      await client.expect(['SET', 'a', '1'], '+OK\r\n');
      for (let shard = 0; shard < 4; shard++) engine.publish(shard, { role: 'starting' });
      client.command('PING').command('GET', 'a').command('PING');
      expect(await client.read(7)).to.equal('+PONG\r\n');
      client.command('GET', 'a');
      await new Promise(setImmediate);
      for (let shard = 0; shard < 4; shard++) lead(shard, true);
      expect(await client.read(21)).to.equal('$1\r\n1\r\n+PONG\r\n$1\r\n1\r\n');
    }));

  it('waits no longer than a promise lasts', () =>
    withServer(
      async ({ port, engine, statistics }) => {
        for (let shard = 0; shard < 4; shard++) engine.publish(shard, { role: 'starting' });
        await using client = await RawClient.connect(port);
        client.command('SET', 'a', '1').command('PING').command('GET', 'a');
        expect(await client.line()).to.equal('-CLUSTERDOWN Hash slot not served');
        expect(await client.line()).to.equal('+PONG');
        expect(await client.line()).to.equal('-CLUSTERDOWN Hash slot not served');
        expect(statistics.sum('parkTimeouts')).to.equal(2);
        expect(statistics.sum('parked')).to.equal(0);
      },
      { settings: { promiseMilliseconds: 100 } },
    ));

  it('forgets a waiting client that leaves', () =>
    withServer(async ({ port, engine, statistics, lead }) => {
      engine.publish(0, { role: 'starting' });
      for (let shard = 0; shard < 4; shard++) engine.publish(shard, { role: 'starting' });
      const client = await RawClient.connect(port);
      client.command('GET', 'a');
      await using other = await RawClient.connect(port);
      await other.expect(['PING'], '+PONG\r\n');
      expect(statistics.sum('parked')).to.equal(1);
      client.socket.resetAndDestroy();
      await once(client.socket, 'close');
      while (statistics.connections() > 1) await new Promise(setImmediate);
      expect(statistics.sum('parked')).to.equal(0);
      for (let shard = 0; shard < 4; shard++) lead(shard, true);
      await other.expect(['GET', 'a'], '$-1\r\n');
    }));

  it('sends clients elsewhere where another node leads', () =>
    withServer(async ({ port, engine, lead }) => {
      for (let shard = 0; shard < 4; shard++) {
        lead(shard, false);
        engine.setRedirect(shard, 'demo-1.demo-nodes:6379');
      }
      await using client = await RawClient.connect(port);
      client.command('GET', 'a');
      expect(await client.line()).to.equal('-MOVED 15495 demo-1.demo-nodes:6379');
      for (let shard = 0; shard < 4; shard++) engine.setRedirect(shard, undefined);
      client.command('GET', 'a');
      expect(await client.line()).to.match(/^-CLUSTERDOWN/);
    }));

  it('bounds what begun commands of all connections take', () =>
    withServer(
      async ({ port, statistics }) => {
        const begun = 'x'.repeat(3_000_000);
        const clients = await Promise.all(
          Array.from({ length: 24 }, async () => {
            const client = await RawClient.connect(port);
            client.send(`*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n${begun}`);
            return client;
          }),
        );
        const refused = clients.map((client) =>
          client.rest().then(
            (text) => text,
            () => '',
          ),
        );
        expect(await Promise.race(refused)).to.match(/^-BUSY too many long commands/);
        expect(statistics.sum('overloads')).to.be.greaterThan(0);
        await using other = await RawClient.connect(port);
        await other.expect(['SET', 'b', '1'], '+OK\r\n');
        for (const client of clients) client.socket.destroy();
        while (statistics.connections() > 1) await new Promise(setImmediate);
        expect(statistics.sum('heldArenaBytes')).to.equal(0);
        expect(statistics.sum('heldLocalBytes')).to.equal(0);
      },
      { budgetBytes: 128 * 2 ** 20, valueBytesMax: 4_194_304 },
    ));

  it('tells a client whose long command finds no memory so', () =>
    withServer(
      async ({ port }) => {
        await using client = await RawClient.connect(port);
        const value = 'x'.repeat(900_000);
        let answer = '+OK';
        for (let key = 0; answer === '+OK' && key < 100; key++) {
          client.command('SET', `k${key}`, value);
          answer = await client.line();
        }
        expect(answer).to.match(/^-OOM /);
      },
      { budgetBytes: 32 * 2 ** 20 },
    ));

  it('stops reading from a client that takes no replies, at bounded memory', () =>
    withServer(async ({ port, statistics, servers, services }) => {
      await using client = await RawClient.connect(port);
      await client.expect(['SET', 'k', 'v'.repeat(60_000)], '+OK\r\n');
      client.socket.pause();
      const many = Buffer.concat(Array.from({ length: 2000 }, () => encode(['GET', 'k'])));
      client.send(many).send(many);
      // Another client is served all the while, and tells when the first has come to a standstill.
      await using other = await RawClient.connect(port);
      let sent = -1;
      for (let same = 0; same < 50; ) {
        await other.expect(['PING'], '+PONG\r\n');
        const now = statistics.sum('outputBytes');
        same = now - sent <= 7 ? same + 1 : 0;
        sent = now;
      }
      const list = servers.flatMap((server) => server.answer({ kind: 'clients', filter: {} }));
      const unsent = list.map((line) => Number(/omem=(\d+)/.exec(line)?.[1]));
      expect(Math.max(...unsent)).to.be.greaterThan(0);
      expect(Math.max(...unsent)).to.be.lessThan(serverLimits.outboxBytes * 2);
      // It goes on where it stood, and nothing is lost or garbled.
      client.socket.resume();
      const reply = `$60000\r\n${'v'.repeat(60_000)}\r\n`;
      for (let index = 0; index < 4000; index++) {
        if ((await client.read(reply.length)) !== reply) throw new Error(`reply ${index} differs`);
      }
      expect(services.statistics.sum('slowConsumers')).to.equal(0);
    })).timeout(30_000);
});
