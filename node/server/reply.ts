/** Writes one reply of a command that runs in JavaScript: RESP2 or RESP3, as the connection speaks. */

type Piece = string | Uint8Array;

export class Reply {
  #protocol: 2 | 3;
  readonly #pieces: Piece[] = [];
  #failed = false;

  constructor(protocol: 2 | 3) {
    this.#protocol = protocol;
  }

  /** Goes on in another protocol: HELLO answers in the one that it chooses. */
  as(protocol: 2 | 3): this {
    this.#protocol = protocol;
    return this;
  }

  /** Whether an error was written: for the metrics. */
  get failed(): boolean {
    return this.#failed;
  }

  ok(): void {
    this.simple('OK');
  }

  simple(text: string): void {
    this.#pieces.push(`+${text}\r\n`);
  }

  /** `text` begins with its code, `ERR ...`. Line ends can't pass into the protocol. */
  error(text: string): void {
    this.#failed = true;
    this.#pieces.push(`-${text.replace(/[\r\n]/g, ' ')}\r\n`);
  }

  integer(value: number | bigint): void {
    this.#pieces.push(`:${value}\r\n`);
  }

  bulk(value: string | Uint8Array): void {
    if (typeof value === 'string') {
      this.#pieces.push(`$${Buffer.byteLength(value)}\r\n${value}\r\n`);
    } else {
      this.#pieces.push(`$${value.length}\r\n`, value, '\r\n');
    }
  }

  /** Text for people: `txt` in RESP3, a bulk string in RESP2. */
  verbatim(text: string): void {
    if (this.#protocol === 3) {
      this.#pieces.push(`=${Buffer.byteLength(text) + 4}\r\ntxt:${text}\r\n`);
    } else {
      this.bulk(text);
    }
  }

  null(): void {
    this.#pieces.push(this.#protocol === 3 ? '_\r\n' : '$-1\r\n');
  }

  nullArray(): void {
    this.#pieces.push(this.#protocol === 3 ? '_\r\n' : '*-1\r\n');
  }

  /** `length` elements follow. */
  array(length: number): void {
    this.#pieces.push(`*${length}\r\n`);
  }

  set(length: number): void {
    this.#pieces.push(`${this.#protocol === 3 ? '~' : '*'}${length}\r\n`);
  }

  /** `length` pairs follow. */
  map(length: number): void {
    this.#pieces.push(this.#protocol === 3 ? `%${length}\r\n` : `*${length * 2}\r\n`);
  }

  bulks(values: readonly (string | Uint8Array)[]): void {
    this.array(values.length);
    for (const value of values) {
      this.bulk(value);
    }
  }

  bytes(): Buffer {
    return Buffer.concat(
      this.#pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)),
    );
  }
}
