import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { type PeerRefusal, PeerRefusalReason } from '@r-db/proto/generated/rdb/v1/peer.ts';
import { expect } from 'chai';
import { afterEach, describe, it } from 'mocha';
import { epoch, generation, type Incarnation, incarnation as known } from '../core/identity.ts';
import type { ShardMessage } from '../core/messages.ts';
import type { PeerIdentity } from './hello.ts';
import { wholeFrame } from './peer-frames.ts';
import { type PeerAddress, Peers } from './peers.ts';

const message = (committed: number): ShardMessage => ({
  generation: generation(1),
  epoch: epoch(1),
  body: { kind: 'commit', committed },
});

/** A node that only speaks to others. */
class TestPeer implements Disposable {
  readonly self: PeerIdentity;
  readonly peers: Peers;
  readonly events: string[] = [];
  readonly received: number[] = [];
  readonly refusals: PeerRefusal[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(node: string, incarnation: string, given: Partial<PeerIdentity> = {}) {
    this.self = {
      clusterId: 'c',
      node,
      incarnation,
      shards: 4,
      hashSeedCheck: 7n,
      version: 'test',
      ...given,
    };
    this.peers = new Peers({
      self: this.self,
      context: {
        self: known('demo-9/x'),
        write: () => new Uint8Array(0),
        read: () => undefined,
        freeBytes: () => 0,
      },
      scheduler: realScheduler,
      promiseMs: () => 400,
      handlersOf: (connection) => ({
        heartbeat: () => {},
        heartbeatAnswer: () => {},
        message: ({ message: { body } }) => {
          if (body.kind === 'commit') this.received.push(body.committed);
          this.#tell();
        },
        leave: (id) => this.#say(`${connection.peer} leaves as ${id}`),
      }),
      onPeer: (peer, state) => this.#say(`${peer} ${state}`),
      onRefused: (refusal) => {
        this.refusals.push(refusal);
        this.#tell();
      },
    });
  }

  async listen(port = 0): Promise<PeerAddress> {
    this.peers.server.listen({ port, host: '127.0.0.1' });
    await once(this.peers.server, 'listening');
    return { host: '127.0.0.1', port: (this.peers.server.address() as AddressInfo).port };
  }

  /** Resolves once `test` holds. */
  async until(test: () => boolean): Promise<void> {
    while (!test()) await this.#changed.promise;
  }

  saw(event: string): Promise<void> {
    return this.until(() => this.events.includes(event));
  }

  [Symbol.dispose](): void {
    this.peers[Symbol.dispose]();
  }

  #say(event: string): void {
    this.events.push(event);
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

describe('connections between nodes', () => {
  const running = new Set<Disposable>();
  const start = (...given: ConstructorParameters<typeof TestPeer>): TestPeer => {
    const peer = new TestPeer(...given);
    running.add(peer);
    return peer;
  };
  afterEach(() => {
    for (const one of running) one[Symbol.dispose]();
    running.clear();
  });

  it('come up whoever knows the other, and carry messages in order', async () => {
    for (const dialer of [0, 1]) {
      const pair = [start('demo-0', 'a'), start('demo-1', 'b')] as const;
      const addresses = [await pair[0].listen(), await pair[1].listen()];
      pair[dialer]?.peers.want(new Map([[`demo-${1 - dialer}`, addresses[1 - dialer]]]));
      await Promise.all([pair[0].saw('demo-1/b up'), pair[1].saw('demo-0/a up')]);
      for (let index = 0; index < 1_000; index++) {
        pair[0].peers.send('demo-1/b' as Incarnation, 3, message(index));
        if (index % 100 === 0) pair[0].peers.flush();
      }
      expect(pair[0].peers.waiting).to.equal(true);
      pair[0].peers.flush();
      await pair[1].until(() => pair[1].received.length === 1_000);
      expect(pair[1].received).to.deep.equal(Array.from({ length: 1_000 }, (_, index) => index));
      for (const one of pair) one[Symbol.dispose]();
    }
  });

  it('are one for each pair when both dial', async () => {
    const a = start('demo-0', 'a');
    const b = start('demo-1', 'b');
    const [toA, toB] = [await a.listen(), await b.listen()];
    a.peers.want(new Map([['demo-1', toB]]));
    b.peers.want(new Map([['demo-0', toA]]));
    await Promise.all([a.saw('demo-1/b up'), b.saw('demo-0/a up')]);
    a.peers.send('demo-1/b' as Incarnation, 0, message(1));
    b.peers.send('demo-0/a' as Incarnation, 0, message(2));
    a.peers.flush();
    b.peers.flush();
    await Promise.all([a.until(() => a.received.length > 0), b.until(() => b.received.length > 0)]);
    // Longer than the second one waits before it dials.
    const { promise: waited, resolve } = Promise.withResolvers<void>();
    realScheduler.after(100, resolve);
    const keepAlive = setInterval(() => {}, 50);
    await waited;
    clearInterval(keepAlive);
    expect(a.events).to.deep.equal(['demo-1/b up']);
    expect(b.events).to.deep.equal(['demo-0/a up']);
  });

  it('tell at once that a process has ended, and that another one is there', async () => {
    const a = start('demo-0', 'a');
    const b = start('demo-1', 'b');
    const address = await b.listen();
    a.peers.want(new Map([['demo-1', address]]));
    await a.saw('demo-1/b up');
    b[Symbol.dispose]();
    await a.saw('demo-1/b refused');
    expect(a.events.slice(0, 3)).to.deep.equal([
      'demo-1/b up',
      'demo-1/b down',
      'demo-1/b refused',
    ]);
    const c = start('demo-1', 'c');
    await c.listen(address.port);
    await a.saw('demo-1/c up');
    expect(a.peers.connection('demo-1/b' as Incarnation)).to.equal(undefined);
  });

  it('are begun again when the peer says nothing for a promise', async () => {
    // It introduces itself, and then says nothing more.
    const sockets: import('node:net').Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      const bytes = wholeFrame({ hello: helloOf('demo-1', 'b') });
      const header = Buffer.alloc(4);
      header.writeUInt32BE(bytes.length);
      socket.write(header);
      socket.write(bytes);
    }).listen({ port: 0, host: '127.0.0.1' });
    await once(silent, 'listening');
    running.add({
      [Symbol.dispose]: () => {
        silent.close();
        for (const socket of sockets) socket.destroy();
      },
    });
    const a = start('demo-0', 'a');
    const { port } = silent.address() as AddressInfo;
    a.peers.want(new Map([['demo-1', { host: '127.0.0.1', port }]]));
    await a.saw('demo-1/b down');
    await a.until(() => a.events.filter((event) => event === 'demo-1/b up').length === 2);
  });

  const strangers: [string, Partial<PeerIdentity>, PeerRefusalReason, string][] = [
    ['another cluster', { clusterId: 'd' }, PeerRefusalReason.CLUSTER, 'of the cluster d'],
    ['another shape', { shards: 8 }, PeerRefusalReason.SHAPE, '8 shards'],
    ['another hash seed', { hashSeedCheck: 8n }, PeerRefusalReason.SHAPE, 'hash seed'],
    ['another node than was meant', { node: 'demo-7' }, PeerRefusalReason.NODE, 'demo-7'],
  ];
  for (const [what, given, reason, words] of strangers) {
    it(`are refused by ${what}, with the reason`, async () => {
      const a = start('demo-0', 'a');
      const b = start('demo-1', 'b', given);
      a.peers.want(new Map([['demo-1', await b.listen()]]));
      await a.until(() => a.refusals.length > 0);
      expect(a.refusals[0]?.reason).to.equal(reason);
      expect(a.refusals[0]?.message).to.contain(words);
      expect(a.events).to.deep.equal([]);
    });
  }

  it('end with a clear word for who speaks something else', async () => {
    const a = start('demo-0', 'a');
    const { port } = await a.listen();
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.resume();
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await a.until(() => a.refusals.length > 0);
    expect(a.refusals[0]?.reason).to.equal(PeerRefusalReason.BROKEN);
    await once(socket, 'close');
  });

  it('carry the wish to leave', async () => {
    const a = start('demo-0', 'a');
    const b = start('demo-1', 'b');
    a.peers.want(new Map([['demo-1', await b.listen()]]));
    await a.saw('demo-1/b up');
    a.peers.leave();
    await b.saw('demo-0/a leaves as a');
  });
});

function helloOf(node: string, incarnation: string) {
  return {
    protocol: 1,
    protocolMin: 1,
    clusterId: 'c',
    node,
    incarnation,
    to: '',
    shardsTotal: 4,
    hashSeedCheck: 7n,
    version: 'test',
  };
}
