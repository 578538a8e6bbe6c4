/**
 * One TCP connection to another node: introduces itself, then sends what a turn of the event loop had to
 * say in few frames, and hands on what it reads. Messages come in order or, once the connection is
 * broken, not at all: who needs them sends them again on the next one.
 */

import type { Socket } from 'node:net';
import type { PeerHello, PeerRefusal } from '@r-db/proto/generated/rdb/v1/peer.ts';
import { PeerRefusalReason } from '@r-db/proto/generated/rdb/v1/peer.ts';
import { openSocket } from '../../sockets/open.ts';
import type { ByteSocket } from '../../sockets/types.ts';
import { type Incarnation, incarnation } from '../core/identity.ts';
import type { Heartbeat, HeartbeatAnswer, ShardMessage } from '../core/messages.ts';
import { BrokenFrame, FrameReader } from './frames.ts';
import { helloOf, type PeerIdentity, refusalOf } from './hello.ts';
import { limits } from './limits.ts';
import {
  type FrameHandlers,
  frameField,
  readFirstFrame,
  readFrame,
  wholeFrame,
  writeHeartbeat,
  writeHeartbeatAnswer,
} from './peer-frames.ts';
import { type MessageContext, writeShardMessage } from './shard-messages.ts';
import { WireWriter } from './wire-writer.ts';

const headerBytes = 4;
const outBytes = 64 * 1024;

export interface PeerConnectionOptions {
  /** Paused; connected, or about to be. */
  readonly socket: Socket;
  readonly self: PeerIdentity;
  /** The node that was dialed; undefined: this side was called. */
  readonly dialed: string | undefined;
  readonly context: MessageContext;
  readonly nowMs: () => number;
  /** The peer has introduced itself and is accepted. */
  readonly onUp: (connection: PeerConnection) => void;
  readonly handlersOf: (connection: PeerConnection) => Omit<FrameHandlers, 'refusal'>;
  /** Once, whatever the reason. */
  readonly onClosed: (connection: PeerConnection, error: NodeJS.ErrnoException | undefined) => void;
  /** Either side refused the other. */
  readonly onRefused: (refusal: PeerRefusal, byPeer: boolean) => void;
}

export class PeerConnection {
  readonly dialed: string | undefined;
  /** Set by `Peers` while something was said that is not flushed yet. */
  touched = false;
  readonly #options: PeerConnectionOptions;
  /** Gives up a socket that is not connected yet. */
  readonly #giveUp: () => void;
  #socket: ByteSocket | undefined;
  readonly #reader: FrameReader;
  readonly #handlers: FrameHandlers;
  #out = new WireWriter(outBytes);
  /** Where the frame in the making begins. */
  #frameStart = 0;
  #peer: Incarnation | undefined;
  #heardMs: number;
  #closed = false;

  constructor(options: PeerConnectionOptions) {
    const { socket, dialed, nowMs } = options;
    this.dialed = dialed;
    this.#options = options;
    this.#giveUp = () => socket.destroy();
    this.#heardMs = nowMs();
    this.#handlers = {
      ...options.handlersOf(this),
      refusal: (refusal) => {
        options.onRefused(refusal, true);
        this.close();
      },
    };
    this.#reader = new FrameReader(limits.helloBytesMax, (frame) => this.#frame(frame));
    if (!socket.connecting) {
      this.#open(socket);
      return;
    }
    const onError = (error: NodeJS.ErrnoException): void => this.#onClose(error);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      this.#open(socket);
    });
  }

  #open(socket: Socket): void {
    if (this.#closed) return;
    const { self } = this.#options;
    socket.setNoDelay(true);
    this.#socket = openSocket(socket, {
      received: (bytes) => this.#received(bytes),
      sent: () => {},
      ended: () => this.close(),
      closed: (error) => this.#onClose(error),
    });
    this.#sendWhole({ hello: helloOf(self, this.dialed ?? '') });
  }

  /** Undefined until it has introduced itself. */
  get peer(): Incarnation | undefined {
    return this.#peer;
  }

  /** When it last said anything, monotonic milliseconds. */
  get heardMs(): number {
    return this.#heardMs;
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(shard: number, message: ShardMessage): void {
    const start = this.#begin().open(frameField.shards);
    writeShardMessage(this.#out, shard, message, this.#options.context);
    this.#out.close(start);
    this.#finishLongFrame();
  }

  /** A message that was encoded for another peer as well. */
  sendEncoded(message: WireWriter): void {
    this.#begin().copied(frameField.shards, message);
    this.#finishLongFrame();
  }

  heartbeat(beat: Heartbeat, clockMs: number): void {
    writeHeartbeat(this.#begin(), beat, clockMs);
  }

  answer(answer: HeartbeatAnswer): void {
    writeHeartbeatAnswer(this.#begin(), answer);
  }

  leave(own: string): void {
    this.flush();
    this.#sendWhole({ leave: { incarnation: own } });
  }

  /** Gives everything since the last time to the kernel. */
  flush(): void {
    this.#finishFrame();
    if (this.#out.end === 0 || this.#closed) {
      this.#out.end = 0;
      return;
    }
    const isWithKernel = this.#write(this.#out.buffer.subarray(0, this.#out.end));
    this.#out.end = 0;
    this.#frameStart = 0;
    // What the kernel has not taken is read from this very buffer later.
    if (!isWithKernel || this.#out.buffer.length > outBytes * 16) {
      this.#out = new WireWriter(outBytes);
    }
  }

  /** Says why, and closes. */
  refuse(refusal: PeerRefusal): void {
    this.#options.onRefused(refusal, false);
    this.#sendWhole({ refusal });
    this.#socket?.end();
    this.#onClose(undefined);
  }

  close(error?: Error): void {
    if (this.#socket === undefined) this.#giveUp();
    else this.#socket.destroy();
    this.#onClose(error);
  }

  #begin(): WireWriter {
    if (this.#out.end === this.#frameStart) {
      this.#out.reserve(headerBytes);
      this.#out.end += headerBytes;
    }
    return this.#out;
  }

  #finishLongFrame(): void {
    if (this.#out.end - this.#frameStart > limits.frameBytesGoal) this.#finishFrame();
  }

  #finishFrame(): void {
    const { end, buffer } = this.#out;
    if (end === this.#frameStart) return;
    buffer.writeUInt32BE(end - this.#frameStart - headerBytes, this.#frameStart);
    this.#frameStart = end;
  }

  #sendWhole(frame: Parameters<typeof wholeFrame>[0]): void {
    const bytes = wholeFrame(frame);
    const framed = Buffer.allocUnsafe(headerBytes + bytes.length);
    framed.writeUInt32BE(bytes.length);
    framed.set(bytes, headerBytes);
    this.#write(framed);
  }

  /** False: the kernel has not taken all of it. */
  #write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (this.#closed || socket === undefined || socket.write(bytes)) return true;
    if (socket.unsentBytes > limits.unsentBytesMax) this.close(new Error('it takes nothing'));
    return false;
  }

  #received(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#heardMs = this.#options.nowMs();
    try {
      this.#reader.take(bytes);
    } catch (error) {
      if (!(error instanceof BrokenFrame) && !(error instanceof RangeError)) throw error;
      this.refuse({ reason: PeerRefusalReason.BROKEN, message: error.message });
    }
  }

  #frame(frame: Buffer): void {
    if (this.#closed) return;
    const { context } = this.#options;
    if (this.#peer !== undefined) readFrame(frame, this.#peer, context, this.#handlers);
    else this.#introduced(readFirstFrame(frame));
  }

  #introduced(said: PeerHello | PeerRefusal): void {
    if ('reason' in said) {
      this.#handlers.refusal(said);
      return;
    }
    const refusal = refusalOf(this.#options.self, said, this.dialed);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    this.#peer = incarnation(`${said.node}/${said.incarnation}`);
    this.#reader.allow(limits.frameBytesMax);
    this.#options.onUp(this);
  }

  #onClose(error: NodeJS.ErrnoException | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClosed(this, error);
  }
}
