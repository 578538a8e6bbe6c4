import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { encode, RawClient } from './testing/raw-client.ts';
import { serve } from './testing/serve.ts';

const quick = { slowConsumerMs: 300, lingerMs: 100, tickMs: 20 };

/** Bytes that are nearly commands: what a parser stumbles over. */
const nearlyResp = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '*',
        '$',
        '\r\n',
        '\n',
        '-1',
        '0',
        '1',
        '3',
        '99999999',
        ' ',
        '"',
        "'",
        '\\x',
      ),
      fc.constantFrom('SET', 'get', 'CLIENT', 'SCAN', 'CLUSTER', 'MSET', 'HELLO', '\0', 'a', 'b'),
      fc
        .array(
          fc.constantFrom('SET', 'GET', 'a', '1', 'EX', '-5', 'CLIENT', 'ID', 'SCAN', '0', ''),
          {
            minLength: 1,
            maxLength: 5,
          },
        )
        .map((words) => encode(words).toString('latin1')),
      fc.string({ unit: 'binary', maxLength: 20 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

describe('bad input over a socket', () => {
  it('ends in answers or a closed connection, never in a crash or a leak', async () => {
    await using served = await serve();
    await fc.assert(
      fc.asyncProperty(nearlyResp, fc.integer({ min: 1, max: 50 }), async (bytes, cut) => {
        await using client = await RawClient.connect(served.port);
        client.send(bytes.subarray(0, cut));
        await new Promise(setImmediate);
        client.send(bytes.subarray(cut));
        client.socket.end();
        const rest = await client.rest();
        if (rest !== '') expect(rest).to.match(/^[+\-:$*_%~=][\s\S]*\r\n$/);
      }),
      { numRuns: 300 },
    );
    while (served.statistics.connections() > 0) await new Promise(setImmediate);
    expect(served.statistics.sum('heldLocalBytes')).to.equal(0);
    expect(served.statistics.sum('heldArenaBytes')).to.equal(0);
    await using client = await RawClient.connect(served.port);
    await client.expect(['SET', 'still', 'here'], '+OK\r\n');
  }).timeout(30_000);

  it('does not keep an inline command that never ends', async () => {
    await using served = await serve();
    await using client = await RawClient.connect(served.port);
    const piece = Buffer.alloc(4096, 'x');
    const sending = (async () => {
      for (let index = 0; index < 1000 && !client.socket.destroyed; index++) {
        if (!client.socket.write(piece)) await once(client.socket, 'drain').catch(() => undefined);
        await new Promise(setImmediate);
      }
    })();
    expect(await client.rest()).to.equal('-ERR Protocol error: too big inline request\r\n');
    client.socket.destroy();
    await sending.catch(() => undefined);
    expect(served.statistics.sum('heldArenaBytes')).to.equal(0);
  });

  it('cuts off a client that never takes its replies, and counts it', async () => {
    await using served = await serve({ times: quick });
    await using client = await RawClient.connect(served.port);
    await client.expect(['SET', 'k', 'v'.repeat(60_000)], '+OK\r\n');
    client.socket.pause();
    client.send(Buffer.concat(Array.from({ length: 3000 }, () => encode(['GET', 'k']))));
    while (served.statistics.sum('slowConsumers') === 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    while (served.statistics.connections() > 0) await new Promise(setImmediate);
    await using other = await RawClient.connect(served.port);
    await other.expect(['STRLEN', 'k'], ':60000\r\n');
  });

  it('does not wait for ever for a client to close after the last reply', async () => {
    await using served = await serve({ times: quick });
    await using client = await RawClient.connect(served.port);
    await client.expect(['QUIT'], '+OK\r\n');
    expect(await client.rest()).to.equal('');
    // The client's side stays open: the server ends the connection by itself.
    while (served.statistics.connections() > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it('holds 10,000 idle connections in bounded memory', async () => {
    const count = Math.min(10_000, descriptorsLeft());
    await using served = await serve({ settings: { connectionsMax: count + 10 } });
    globalThis.gc?.();
    const beforeBytes = process.memoryUsage().rss;
    const sockets: Socket[] = [];
    for (let made = 0; made < count; made += 500) {
      const batch = Array.from({ length: Math.min(500, count - made) }, () =>
        connect({ port: served.port, host: '127.0.0.1' }),
      );
      await Promise.all(batch.map((socket) => once(socket, 'connect')));
      sockets.push(...batch);
    }
    while (served.statistics.connections() < count) await new Promise(setImmediate);
    // Each has begun a command and left it at that.
    for (const socket of sockets) socket.write('*2\r\n$3\r\nGET\r\n$1');
    await using client = await RawClient.connect(served.port);
    await client.expect(['SET', 'a', '1'], '+OK\r\n');
    while (served.statistics.sum('heldLocalBytes') < count * 128) await new Promise(setImmediate);
    const bytesEach = (process.memoryUsage().rss - beforeBytes) / count;
    // Both ends of each connection are in this process.
    expect(bytesEach).to.be.lessThan(30_000);
    expect(served.statistics.sum('heldLocalBytes')).to.equal(count * 128);
    for (const socket of sockets) socket.destroy();
    while (served.statistics.connections() > 1) await new Promise(setImmediate);
    expect(served.statistics.sum('heldLocalBytes')).to.equal(0);
  }).timeout(60_000);
});

/** Each connection has two ends here. */
function descriptorsLeft(): number {
  const report = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } };
  };
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isFinite(soft) ? Math.floor((soft - 200) / 2) : 10_000;
}
