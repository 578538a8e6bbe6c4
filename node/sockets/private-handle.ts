/**
 * The TCP handle beneath a socket of Node.js: its private interface, as far as it is used here. Everything that could
 * change with a version of Node.js is looked at before it is used; `undefined` means: take the public way.
 */
import type { Socket } from 'node:net';

/** A call that the operating system finishes later. Status: 0, or an error as a negative number. */
export interface HandleRequest {
  oncomplete: ((status: number) => void) | undefined;
  /** Keeps the bytes from being collected while the kernel reads them. */
  bytes?: Uint8Array;
}

export interface TcpHandle {
  onread: (() => void) | undefined;
  readonly writeQueueSize: number;
  /** Reads go to this buffer, whichever handle they come from. */
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: HandleRequest, bytes: Uint8Array): number;
  shutdown(request: HandleRequest): number;
  close(done: () => void): void;
}

export interface StreamBinding {
  readonly WriteWrap: new () => HandleRequest;
  readonly ShutdownWrap: new () => HandleRequest;
  /** How the last call of a handle went: at the two indices below. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const methods = ['useUserBuffer', 'readStart', 'readStop', 'writeBuffer', 'shutdown', 'close'];

function bindingOf(owner: { binding?: (name: string) => unknown }): StreamBinding | undefined {
  let found: Partial<StreamBinding> | undefined;
  try {
    found = owner.binding?.('stream_wrap') as Partial<StreamBinding> | undefined;
  } catch {
    return undefined;
  }
  const isWhole =
    typeof found?.WriteWrap === 'function' &&
    typeof found.ShutdownWrap === 'function' &&
    found.streamBaseState instanceof Int32Array &&
    typeof found.kReadBytesOrError === 'number' &&
    typeof found.kLastWriteWasAsync === 'number';
  return isWhole ? (found as StreamBinding) : undefined;
}

/** Undefined: this Node.js has none of that shape. */
export const streamBinding = bindingOf(process as { binding?: (name: string) => unknown });

/** Takes the handle away from a paused socket, which does nothing more. Undefined: it has none that is known here. */
export function takeHandle(socket: Socket): TcpHandle | undefined {
  const owner = socket as unknown as { _handle: (TcpHandle & Record<string, unknown>) | null };
  const handle = owner._handle;
  if (handle === null || typeof handle !== 'object') return undefined;
  const isKnown =
    methods.every((method) => typeof handle[method] === 'function') &&
    typeof handle.writeQueueSize === 'number';
  if (!isKnown) return undefined;
  owner._handle = null;
  return handle;
}
