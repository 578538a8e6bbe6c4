import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { afterEach, describe, it } from 'mocha';
import { stuckMs } from './limits.ts';
import { parseReply } from './resp-connection.ts';
import { respConnect } from './resp-store.ts';

/** What a node says to a command, or `silence`, or `hang up`. */
type Say = (words: readonly string[]) => string;

describe('the client over RESP', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    for (const socket of sockets) socket.destroy();
  });

  /** A node on a port of its own; `host:port`. */
  async function node(say: Say): Promise<string> {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('data', (data) => {
        const words = data
          .toString()
          .split('\r\n')
          .filter((line, index) => index > 0 && index % 2 === 0 && line !== '');
        const said = say(words);
        if (said === 'hang up') socket.destroy();
        else if (said !== 'silence') socket.write(said);
      });
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `127.0.0.1:${address.port}`;
  }

  it('reads, writes, increments, compares and sets', async () => {
    const said: string[] = [];
    const replies: Readonly<Record<string, string>> = {
      'GET a': '$1\r\nx\r\n',
      'GET b': '$-1\r\n',
      'SET a y': '+OK\r\n',
      'INCR c': ':4\r\n',
      'SET a z IFEQ x': '$-1\r\n',
      'SET a z IFEQ y': '+OK\r\n',
    };
    const store = respConnect([
      await node((words) => {
        said.push(words.join(' '));
        return replies[words.join(' ')] ?? '-ERR\r\n';
      }),
    ])(0);
    const seen = { value: 'x', token: 'x' };
    expect(await store.read('a')).to.deep.equal({ outcome: 'ok', seen });
    expect(await store.read('b')).to.deep.equal({ outcome: 'ok', seen: undefined });
    expect(await store.write('a', 'y')).to.deep.equal({ outcome: 'ok' });
    expect(await store.increment('c')).to.deep.equal({ outcome: 'ok', result: '4' });
    expect(await store.compareAndSet('a', seen, 'z')).to.deep.equal({
      outcome: 'ok',
      result: false,
    });
    const now = { value: 'y', token: 'y' };
    expect(await store.compareAndSet('a', now, 'z')).to.deep.equal({ outcome: 'ok', result: true });
    expect(said.length).to.equal(6);
    store.close();
  });

  it('follows redirects', async () => {
    const leader = await node(() => '+OK\r\n');
    const other = await node(() => `-MOVED 1 ${leader}\r\n`);
    expect(await respConnect([other])(0).write('a', 'x')).to.deep.equal({ outcome: 'ok' });
  });

  it('tells what failed certainly from what nobody knows', async () => {
    const outcome = async (say: Say) => await respConnect([await node(say)])(0).write('a', 'x');
    const certain = await outcome(() => '-CLUSTERDOWN no leader\r\n');
    expect(certain).to.deep.equal({ outcome: 'failed', error: 'CLUSTERDOWN' });
    const told = await outcome(() => '-UNKNOWN it may have happened\r\n');
    expect(told).to.deep.equal({ outcome: 'unknown', error: 'UNKNOWN' });
    const broken = await outcome(() => 'hang up');
    expect(broken).to.deep.equal({ outcome: 'unknown', error: 'CONNECTION_LOST' });
    const silent = await outcome(() => 'silence');
    expect(silent).to.deep.equal({ outcome: 'unknown', error: 'TIMEOUT' });
  });

  it('goes on to another node when one is not there', async () => {
    const gone = await node(() => 'silence');
    const [server] = servers.splice(0);
    server?.close();
    const alive = await node(() => '+OK\r\n');
    expect(await respConnect([gone, alive])(0).write('a', 'x')).to.deep.equal({ outcome: 'ok' });
  });

  it('looks for a leader with one command, and tells the others of a shard', async () => {
    const gone = await node(() => 'silence');
    const [server] = servers.splice(0);
    server?.close();
    const next = await node(() => '+OK\r\n');
    let asked = 0;
    const other = await node(() => `-MOVED 1 ${++asked > 5 ? next : gone}\r\n`);
    const connect = respConnect([gone, other]);
    const writes = Array.from({ length: 20 }, () => connect(0).write('a', 'x'));
    for (const write of writes) expect(await write).to.deep.equal({ outcome: 'ok' });
    expect(asked).to.equal(6);
  });

  it('asks the others while a node is silent, until they name another leader', async () => {
    let stuck = (): void => undefined;
    const received = new Promise<void>((resolve) => {
      stuck = resolve;
    });
    const stopped = await node(() => {
      stuck();
      return 'silence';
    });
    const next = await node(() => '+OK\r\n');
    let asked = 0;
    const other = await node(() => `-MOVED 1 ${++asked > 10 ? next : stopped}\r\n`);
    const connect = respConnect([stopped, other]);
    const first = connect(0).write('a', 'x');
    await received;
    await sleep(stuckMs * 1.5); // the time itself is what makes the node suspect
    expect(await connect(0).write('a', 'y')).to.deep.equal({ outcome: 'ok' });
    expect(asked).to.be.above(10);
    expect(await first).to.deep.equal({ outcome: 'unknown', error: 'TIMEOUT' });
  });
});

describe('replies', () => {
  it('are read whole', () => {
    for (const text of ['+OK\r\n', ':12\r\n', '-MOVED 1 a:2\r\n', '$3\r\nabc\r\n', '$-1\r\n']) {
      const data = Buffer.from(text);
      for (let end = 0; end < data.length; end++) {
        expect(parseReply(data.subarray(0, end)), text).to.equal(undefined);
      }
      expect(parseReply(Buffer.concat([data, Buffer.from('+next')]))?.bytes).to.equal(data.length);
    }
    expect(() => parseReply(Buffer.from('HTTP/1.1 400\r\n'))).to.throw('not a reply: "HTTP/1.1');
  });
});
