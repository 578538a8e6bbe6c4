/** Frames on a stream: a length (4 bytes, big endian, of what follows), then so many bytes. */

import { limits } from './limits.ts';

/** A peer broke the framing or sent what can't be understood; the connection ends. */
export class BrokenFrame extends Error {
  override readonly name = 'BrokenFrame';
}

const headerBytes = 4;
const nothing = Buffer.alloc(0);

export class FrameReader {
  #bytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;
  /** Room for a begun frame, all of it once its length is known; so many bytes of it have come. */
  #begun = nothing;
  #held = 0;
  /** Bytes that make the begun frame whole, header included; 0: its header is not whole yet. */
  #wanted = 0;

  constructor(bytesMax: number, onFrame: (frame: Buffer) => void) {
    this.#bytesMax = bytesMax;
    this.#onFrame = onFrame;
  }

  /** Longer frames are taken from now on: the peer has introduced itself. */
  allow(bytesMax: number): void {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of the stream, which the caller may overwrite afterwards. A frame handed on is valid until its handler returns. */
  take(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#held === 0) {
      this.#cut(bytes);
      return;
    }
    this.#hold(bytes);
    if (this.#held < this.#wanted) return;
    const room = this.#begun;
    const begun = room.subarray(0, this.#held);
    this.#begun = nothing;
    this.#held = 0;
    this.#wanted = 0;
    this.#cut(begun);
    // New memory for each part of a snapshot would make V8 mark its whole heap again and again.
    if (this.#begun === nothing && room.length <= limits.frameRoomBytesKept) this.#begun = room;
  }

  /** Hands on the whole frames of these bytes, and holds what is left. */
  #cut(rest: Buffer): void {
    let at = 0;
    while (rest.length - at >= headerBytes) {
      const length = rest.readUInt32BE(at);
      if (length > this.#bytesMax) {
        throw new BrokenFrame(`a frame of ${length} bytes: at most ${this.#bytesMax} are right`);
      }
      const end = at + headerBytes + length;
      if (end > rest.length) {
        this.#wanted = end - at;
        break;
      }
      this.#onFrame(rest.subarray(at + headerBytes, end));
      at = end;
    }
    if (at < rest.length) this.#hold(rest.subarray(at));
  }

  #hold(bytes: Buffer): void {
    const length = this.#held + bytes.length;
    if (length > this.#begun.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(length, this.#wanted));
      room.set(this.#begun.subarray(0, this.#held));
      this.#begun = room;
    }
    this.#begun.set(bytes, this.#held);
    this.#held = length;
  }
}
