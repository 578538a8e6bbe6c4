import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { expect } from 'chai';
import { HandleSocket } from './handle-socket.ts';
import { openSocket, type SocketKind } from './open.ts';
import { StreamSocket } from './stream-socket.ts';
import type { ByteSocket } from './types.ts';

const kinds: readonly (readonly [SocketKind, new (...of: never[]) => ByteSocket])[] = [
  ['fastest', HandleSocket],
  ['stream', StreamSocket],
];

/** Far more than the buffers of the kernel on both sides take. */
const muchBytes = 16 * 1024 * 1024;

/** What a listener was told, and the socket that told it. */
class Heard {
  readonly events: string[] = [];
  bytes = Buffer.alloc(0);
  error: NodeJS.ErrnoException | undefined;
  readonly socket: ByteSocket;
  /** Called while bytes are handed on. */
  onBytes = (): void => {};
  #changed = (): void => {};

  constructor(accepted: Socket, kind: SocketKind) {
    const tell = (event: string): void => {
      this.events.push(event);
      this.#changed();
    };
    this.socket = openSocket(
      accepted,
      {
        received: (bytes) => {
          this.bytes = Buffer.concat([this.bytes, bytes]);
          this.onBytes();
          this.#changed();
        },
        sent: () => tell('sent'),
        ended: () => tell('ended'),
        closed: (error) => {
          this.error = error;
          tell('closed');
        },
      },
      kind,
    );
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  saw(event: string): Promise<void> {
    return this.until(() => this.events.includes(event));
  }
}

/** A pattern in which no stretch equals another one near it. */
function pattern(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) made.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
  return made;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

for (const [kind, shape] of kinds) {
  describe(`a socket (${kind})`, () => {
    let server: Server;
    const open: { destroy(): void }[] = [];

    before(async () => {
      server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    afterEach(() => {
      for (const socket of open) socket.destroy();
      open.length = 0;
    });
    after(async () => {
      // The server has forgotten every connection: else it would never end.
      server.close();
      await once(server, 'close');
    });

    async function pair(): Promise<{ client: Socket; heard: Heard }> {
      const { port } = server.address() as AddressInfo;
      const accepted = once(server, 'connection') as Promise<[Socket]>;
      const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      client.on('error', () => undefined);
      const [socket] = await accepted;
      const heard = new Heard(socket, kind);
      open.push(client, heard.socket);
      return { client, heard };
    }

    it('is of the kind asked for', async () => {
      const { heard } = await pair();
      expect(heard.socket).to.be.instanceOf(shape);
    });

    it('hands on bytes in their order, then the end, and still answers', async () => {
      const { client, heard } = await pair();
      const said = pattern(300_000);
      client.end(said);
      await heard.saw('ended');
      expect(heard.bytes.equals(said)).to.equal(true);
      expect(heard.socket.write(Buffer.from('bye'))).to.equal(true);
      heard.socket.end();
      expect((await readAll(client)).toString()).to.equal('bye');
      await heard.saw('closed');
      expect(heard.events).to.deep.equal(['ended', 'closed']);
      expect(heard.error).to.equal(undefined);
    });

    it('lets bytes be overwritten that the kernel has, and reads others later', async () => {
      const { client, heard } = await pair();
      const reused = Buffer.from('first');
      expect(heard.socket.write(reused)).to.equal(true);
      reused.write('later');
      const much = pattern(muchBytes);
      expect(heard.socket.write(much)).to.equal(false);
      expect(heard.socket.write(Buffer.from('last'))).to.equal(false);
      expect(heard.socket.unsentBytes)
        .to.be.greaterThan(4)
        .and.at.most(muchBytes + 4);
      const read = readAll(client);
      await heard.saw('sent');
      expect(heard.socket.unsentBytes).to.equal(0);
      heard.socket.end();
      const got = await read;
      expect(got.equals(Buffer.concat([Buffer.from('first'), much, Buffer.from('last')]))).to.equal(
        true,
      );
      expect(heard.events).to.deep.equal(['sent']);
    });

    it('sends what waits before it ends', async () => {
      const { client, heard } = await pair();
      const much = pattern(muchBytes);
      expect(heard.socket.write(much)).to.equal(false);
      heard.socket.end();
      expect((await readAll(client)).equals(much)).to.equal(true);
    });

    it('reads nothing while it is paused', async () => {
      const { client, heard } = await pair();
      expect(heard.socket.isPaused).to.equal(false);
      heard.socket.pause();
      expect(heard.socket.isPaused).to.equal(true);
      const other = await pair();
      client.write('one');
      other.client.write('two');
      // Was written later and read: the first would have been, too.
      await other.heard.until(() => other.heard.bytes.length === 3);
      expect(heard.bytes.length).to.equal(0);
      heard.socket.resume();
      await heard.until(() => heard.bytes.length === 3);
      expect(heard.bytes.toString()).to.equal('one');
    });

    it('is closed once when it is destroyed, after the call, and takes nothing more', async () => {
      const { client, heard } = await pair();
      heard.socket.write(pattern(muchBytes));
      heard.socket.destroy();
      expect(heard.events).to.deep.equal([]);
      heard.socket.destroy();
      expect(heard.socket.destroyed).to.equal(true);
      expect(heard.socket.write(Buffer.from('x'))).to.equal(true);
      heard.socket.pause();
      heard.socket.resume();
      heard.socket.end();
      await Promise.all([heard.saw('closed'), once(client.resume(), 'end')]);
      expect(heard.events).to.deep.equal(['closed']);
      expect(heard.error).to.equal(undefined);
    });

    it('is closed with the error of the operating system when the peer resets it', async () => {
      const { client, heard } = await pair();
      client.write('x');
      await heard.until(() => heard.bytes.length === 1);
      client.resetAndDestroy();
      await heard.saw('closed');
      expect(heard.error?.code).to.equal('ECONNRESET');
    });

    it('may be destroyed by what it hands on', async () => {
      const { client, heard } = await pair();
      heard.onBytes = () => heard.socket.destroy();
      client.write('x');
      await heard.saw('closed');
      expect(heard.events).to.deep.equal(['closed']);
    });

    it('keeps its bytes apart from those of others that read at the same time', async () => {
      const pairs: Awaited<ReturnType<typeof pair>>[] = [];
      for (let index = 0; index < 20; index++) pairs.push(await pair());
      for (const [index, { client }] of pairs.entries()) {
        for (let turn = 0; turn < 50; turn++) client.write(`${index},`.repeat(200));
      }
      for (const [index, { heard }] of pairs.entries()) {
        const expected = `${index},`.repeat(10_000);
        await heard.until(() => heard.bytes.length >= expected.length);
        expect(heard.bytes.toString() === expected).to.equal(true);
      }
    });
  });
}

describe('a socket without a handle that is known', () => {
  it('falls back to the public way', () => {
    const heard = new Heard(new Socket(), 'fastest');
    expect(heard.socket).to.be.instanceOf(StreamSocket);
    heard.socket.destroy();
  });
});
