/** Frames on a stream: a length (4 bytes, big endian, of what follows), then so many bytes. */

/** A peer broke the framing or sent what can't be understood; the connection ends. */
export class BrokenFrame extends Error {
  override readonly name = 'BrokenFrame';
}

const headerBytes = 4;

export class FrameReader {
  #bytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;
  /** What came of a begun frame. */
  #parts: Buffer[] = [];
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

  /** Bytes of the stream. A frame handed on is a view: it is valid until its handler returns. */
  take(chunk: Buffer): void {
    let rest = chunk;
    if (this.#held > 0) {
      this.#parts.push(chunk);
      this.#held += chunk.length;
      if (this.#wanted > 0 && this.#held < this.#wanted) return;
      rest = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#held);
      this.#parts = [];
      this.#held = 0;
      this.#wanted = 0;
    }
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
    if (at < rest.length) {
      // A copy: a rest of few bytes must not keep a whole chunk of the socket.
      this.#parts = [Buffer.from(rest.subarray(at))];
      this.#held = rest.length - at;
    }
  }
}
