/**
 * Writes protobuf into a buffer that is used again and again.
 *
 * Generated encoders make an object and an array for each message; a batch passes here for every few
 * commands, so its messages are written by hand. Lengths of nested messages take four bytes always (a
 * varint may be padded), so that they can be filled in afterwards. Numbers are whole, up to 2^53.
 */

const lengthBytes = 4;
/** What four bytes of a padded varint can tell. */
const nestedBytesMax = 2 ** 28 - 1;

export class WireWriter {
  buffer: Buffer;
  end = 0;

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }

  /** Room for so many bytes more. */
  reserve(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.end + bytes));
    this.buffer.copy(grown, 0, 0, this.end);
    this.buffer = grown;
  }

  /** A field of a number; 0 is left out, as proto3 has it. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.reserve(12);
    this.buffer[this.end++] = field << 3;
    this.varint(value);
  }

  fixed32(field: number, value: number): void {
    if (value === 0) return;
    this.reserve(5);
    this.buffer[this.end++] = (field << 3) | 5;
    this.end = this.buffer.writeUInt32LE(value, this.end);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.reserve(12 + value.length);
    this.buffer[this.end++] = (field << 3) | 2;
    this.varint(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** A field that another writer has encoded whole: bytes of a nested message. */
  copied(field: number, from: WireWriter): void {
    const start = this.open(field);
    this.reserve(from.end);
    from.buffer.copy(this.buffer, this.end, 0, from.end);
    this.end += from.end;
    this.close(start);
  }

  /** Text of one byte a character. */
  ascii(field: number, value: string): void {
    this.reserve(12 + value.length);
    this.buffer[this.end++] = (field << 3) | 2;
    this.varint(value.length);
    this.end += this.buffer.write(value, this.end, 'latin1');
  }

  /** Begins a nested message; `close` takes what this returns. */
  open(field: number): number {
    this.reserve(1 + lengthBytes);
    this.buffer[this.end++] = (field << 3) | 2;
    this.end += lengthBytes;
    return this.end;
  }

  close(start: number): void {
    const length = this.end - start;
    if (length > nestedBytesMax) throw new RangeError(`a message of ${length} bytes is too long`);
    const { buffer } = this;
    buffer[start - 4] = (length & 127) | 128;
    buffer[start - 3] = ((length >>> 7) & 127) | 128;
    buffer[start - 2] = ((length >>> 14) & 127) | 128;
    buffer[start - 1] = (length >>> 21) & 127;
  }

  varint(value: number): void {
    const { buffer } = this;
    let left = value;
    while (left > 0x7fff_ffff) {
      buffer[this.end++] = (left % 128) | 128;
      left = Math.floor(left / 128);
    }
    while (left > 127) {
      buffer[this.end++] = (left & 127) | 128;
      left >>>= 7;
    }
    buffer[this.end++] = left;
  }
}
