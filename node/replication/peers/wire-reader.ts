/** Reads protobuf from a frame. Every fault is a BrokenFrame; unknown fields are skipped. */

import { BrokenFrame } from './frames.ts';

export class WireReader {
  readonly #buffer: Buffer;
  /** A copy of it, once something was to be kept. */
  #kept: Uint8Array | undefined;
  #at: number;
  #end: number;
  /** Of the field that `next` came to. */
  field = 0;
  #type = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#at = 0;
    this.#end = buffer.length;
  }

  /** Goes to the next field of the message; false: it ends here. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = tag >>> 3;
    this.#type = tag & 7;
    return true;
  }

  number(): number {
    this.#must(0);
    return this.#varint();
  }

  fixed32(): number {
    this.#must(5);
    const at = this.#advance(4);
    return this.#buffer.readUInt32LE(at);
  }

  /** For what outlives the frame: entries in the log, cuts that wait for their turn. They share one copy of the frame. */
  kept(): Uint8Array {
    this.#kept ??= Buffer.from(this.#buffer);
    const { buffer, byteOffset } = this.#kept;
    const length = this.#length();
    return new Uint8Array(buffer, byteOffset + this.#advance(length), length);
  }

  /** A view of the frame. */
  view(): Buffer {
    const length = this.#length();
    const at = this.#advance(length);
    return this.#buffer.subarray(at, at + length);
  }

  ascii(): string {
    return this.view().toString('latin1');
  }

  /** Begins a nested message: `next` goes through it, then `leave` takes what this returns. */
  enter(): number {
    const length = this.#length();
    const outer = this.#end;
    const at = this.#advance(length);
    this.#at = at;
    this.#end = at + length;
    return outer;
  }

  leave(outer: number): void {
    this.#at = this.#end;
    this.#end = outer;
  }

  skip(): void {
    switch (this.#type) {
      case 0:
        this.#varint();
        break;
      case 1:
        this.#advance(8);
        break;
      case 2:
        this.#advance(this.#varint());
        break;
      case 5:
        this.#advance(4);
        break;
      default:
        throw new BrokenFrame(`field ${this.field} has the unknown wire type ${this.#type}`);
    }
  }

  #length(): number {
    this.#must(2);
    return this.#varint();
  }

  #must(type: number): void {
    if (this.#type !== type) {
      throw new BrokenFrame(`field ${this.field} has wire type ${this.#type}, not ${type}`);
    }
  }

  #advance(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at)
      throw new BrokenFrame(`field ${this.field} ends behind its message`);
    this.#at = at + bytes;
    return at;
  }

  #varint(): number {
    const buffer = this.#buffer;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) break;
      const byte = buffer[this.#at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new BrokenFrame('a number that is cut off or too large');
  }
}
