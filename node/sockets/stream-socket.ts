/** A connection through the public streams of Node.js. */
import type { Socket } from 'node:net';
import type { ByteSocket, SocketListener } from './types.ts';

const empty = new Uint8Array(0);

export class StreamSocket implements ByteSocket {
  readonly #socket: Socket;
  readonly #listener: SocketListener;
  #waits = false;

  constructor(socket: Socket, listener: SocketListener) {
    this.#socket = socket;
    this.#listener = listener;
    let cause: NodeJS.ErrnoException | undefined;
    socket.on('data', (chunk: Buffer) => listener.received(chunk));
    socket.on('end', () => listener.ended());
    socket.on('error', (error) => {
      cause = error;
    });
    socket.on('close', () => listener.closed(cause));
    socket.resume();
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  get isPaused(): boolean {
    return this.#socket.isPaused();
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return true;
    socket.write(bytes);
    if (socket.writableLength === 0) return true;
    if (!this.#waits) {
      this.#waits = true;
      socket.write(empty, this.#onSent);
    }
    return false;
  }

  readonly #onSent = (error?: Error | null): void => {
    if (error) return;
    if (this.#socket.writableLength > 0) {
      this.#socket.write(empty, this.#onSent);
      return;
    }
    this.#waits = false;
    this.#listener.sent();
  };

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
