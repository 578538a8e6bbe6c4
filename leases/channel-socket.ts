/**
 * Leases over a local socket, between the processes of a local cluster: frames of a length (4
 * bytes, big-endian) and a JSON text.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { ChannelStore, type ChannelStoreOptions } from './channel.ts';
import type { Channel, ChannelHandlers } from './channel-protocol.ts';
import { serveLeases } from './channel-server.ts';
import { CHANNEL_FRAME_BYTES_MAX, CHANNEL_QUEUED_BYTES_MAX } from './limits.ts';
import type { LeaseAdmin, LeaseStore } from './store.ts';

export interface SocketServerOptions {
  /** Path of the socket. It must not exist. Who can open it can use the store. */
  readonly path: string;
  readonly store: LeaseStore;
  /** Lets clients create and delete too. */
  readonly admin?: LeaseAdmin;
  /** Told of connections that broke; for logs. */
  readonly onError?: (error: Error) => void;
}

export interface SocketServer extends AsyncDisposable {
  /** Connections now open. */
  readonly connections: number;
  /** Closes all connections; clients connect anew. */
  disconnect(): void;
}

/** Serves a store on a local socket. Throws what listening throws, `EADDRINUSE` among others. */
export async function serveLeasesOnSocket(options: SocketServerOptions): Promise<SocketServer> {
  const { path, store, admin, onError = () => {} } = options;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveLeases({
      channel: new SocketChannel(socket),
      store,
      admin,
      onClose: (error) => error !== undefined && onError(error),
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  const disconnect = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    get connections() {
      return sockets.size;
    },
    disconnect,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      disconnect();
      await closed;
    },
  };
}

/** The store that is served on a local socket. Connects at once, and anew whenever it breaks. */
export function socketStore(
  path: string,
  options: Omit<ChannelStoreOptions, 'connect'> = {},
): ChannelStore {
  return new ChannelStore({ ...options, connect: () => connectTo(path) });
}

function connectTo(path: string): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new SocketChannel(socket));
    });
  });
}

export class SocketChannel implements Channel {
  readonly #socket: Socket;
  #wasFull = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get full(): boolean {
    return this.#socket.writableLength > CHANNEL_QUEUED_BYTES_MAX;
  }

  open({ onMessage, onClose, onDrain }: ChannelHandlers): void {
    const socket = this.#socket;
    let failure: Error | undefined;
    const frames = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      let messages: readonly unknown[];
      try {
        messages = frames.push(chunk);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      for (const message of messages) onMessage(message);
    });
    socket.on('drain', () => {
      if (!this.#wasFull) return;
      this.#wasFull = false;
      onDrain();
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => onClose(failure));
  }

  send(message: unknown): void {
    if (this.#socket.destroyed) return;
    const text = Buffer.from(JSON.stringify(message), 'utf8');
    if (text.length > CHANNEL_FRAME_BYTES_MAX) {
      const limit = `a message may have ${CHANNEL_FRAME_BYTES_MAX} bytes`;
      this.#socket.destroy(new Error(`${limit}, not ${text.length}`));
      return;
    }
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32BE(text.length);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(text);
    this.#socket.uncork();
    if (this.full) this.#wasFull = true;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Cuts a stream of bytes into frames. Throws for one that is too long or no JSON. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** The messages that are whole with this chunk. */
  push(chunk: Buffer): readonly unknown[] {
    const messages: unknown[] = [];
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const head = this.#peek(4);
      if (head === undefined) return messages;
      const length = head.readUInt32BE();
      if (length > CHANNEL_FRAME_BYTES_MAX) {
        throw new Error(`a frame may have ${CHANNEL_FRAME_BYTES_MAX} bytes, not ${length}`);
      }
      const frame = this.#peek(4 + length);
      if (frame === undefined) return messages;
      this.#drop(4 + length);
      messages.push(JSON.parse(frame.toString('utf8', 4, 4 + length)) as unknown);
    }
  }

  /** The first bytes, in one piece; undefined if they have not come yet. */
  #peek(bytes: number): Buffer | undefined {
    if (this.#bytes < bytes) return undefined;
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= bytes) return first;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  #drop(bytes: number): void {
    const first = this.#chunks[0];
    if (first === undefined) return;
    this.#chunks[0] = first.subarray(bytes);
    this.#bytes -= bytes;
  }
}
