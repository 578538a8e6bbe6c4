/**
 * A connection on the TCP handle itself. The streams of Node.js cost about three times what the engine takes for a short
 * command (docs/adr/0009): here all sockets of a thread read into one buffer, and a write that the kernel takes at
 * once, as nearly all are, allocates nothing.
 */
import { getSystemErrorName } from 'node:util';
import { limits } from './limits.ts';
import type { HandleRequest, StreamBinding, TcpHandle } from './private-handle.ts';
import type { ByteSocket, SocketListener } from './types.ts';

/** What libuv says when the peer has closed its side. */
const endOfFile = -4095;

/** Of all sockets of this thread: what one has read is handled before the next one reads. */
const input = Buffer.allocUnsafeSlow(limits.inputBytes);
/** Its first bytes, by their number: commands have few lengths, and a view costs about as much as the read. */
const inputs: Uint8Array[] = [];
/** A request that no call has kept: the next one may use it. */
let spare: HandleRequest | undefined;

export class HandleSocket implements ByteSocket {
  readonly #handle: TcpHandle;
  readonly #binding: StreamBinding;
  readonly #listener: SocketListener;
  #isPaused = true;
  /** Writes that the kernel has not finished. */
  #unfinished = 0;
  /** The peer has closed its side. */
  #ended = false;
  #ending = false;
  /** The kernel knows that this side has ended. */
  #shut = false;
  #destroyed = false;

  constructor(handle: TcpHandle, binding: StreamBinding, listener: SocketListener) {
    this.#handle = handle;
    this.#binding = binding;
    this.#listener = listener;
    handle.useUserBuffer(input);
    const { streamBaseState, kReadBytesOrError } = binding;
    handle.onread = () => this.#read(streamBaseState[kReadBytesOrError] ?? 0);
    this.resume();
  }

  get unsentBytes(): number {
    return this.#destroyed ? 0 : this.#handle.writeQueueSize;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  #read(length: number): void {
    if (this.#destroyed) return;
    if (length > 0) {
      this.#listener.received(firstBytes(length));
    } else if (length === endOfFile) {
      this.#ended = true;
      this.#handle.readStop();
      this.#listener.ended();
      if (this.#shut) this.destroy();
    } else if (length < 0) {
      this.#drop(length);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#destroyed || this.#ending || bytes.length === 0) return true;
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = this.#binding;
    const request = spare ?? new WriteWrap();
    spare = undefined;
    const status = this.#handle.writeBuffer(request, bytes);
    if (status !== 0) {
      this.#drop(status);
      return true;
    }
    if (streamBaseState[kLastWriteWasAsync] === 0) {
      spare = request;
      return this.#unfinished === 0;
    }
    request.bytes = bytes;
    request.oncomplete = this.#onWritten;
    this.#unfinished++;
    return false;
  }

  readonly #onWritten = (status: number): void => {
    this.#unfinished--;
    if (this.#destroyed) return;
    if (status !== 0) this.#drop(status);
    else if (this.#unfinished === 0) this.#listener.sent();
  };

  pause(): void {
    if (this.#isPaused || this.#destroyed) return;
    this.#isPaused = true;
    this.#handle.readStop();
  }

  resume(): void {
    if (!this.#isPaused || this.#destroyed) return;
    this.#isPaused = false;
    if (!this.#ended) this.#handle.readStart();
  }

  end(): void {
    if (this.#ending || this.#destroyed) return;
    this.#ending = true;
    const request = new this.#binding.ShutdownWrap();
    request.oncomplete = () => this.#onShut();
    // libuv sends what waits before. An error: the connection is broken already.
    const status = this.#handle.shutdown(request);
    if (status !== 0) this.#drop(status);
  }

  #onShut(): void {
    this.#shut = true;
    if (this.#ended) this.destroy();
  }

  destroy(): void {
    this.#close(undefined);
  }

  #drop(status: number): void {
    const code = getSystemErrorName(status);
    this.#close(Object.assign(new Error(`the connection broke: ${code}`), { code }));
  }

  #close(error: NodeJS.ErrnoException | undefined): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#handle.close(() => this.#listener.closed(error));
  }
}

function firstBytes(length: number): Uint8Array {
  if (length >= limits.inputViewsMax) return input.subarray(0, length);
  // Without gaps.
  while (inputs.length <= length) inputs.push(input.subarray(0, inputs.length));
  return inputs[length] as Uint8Array;
}
