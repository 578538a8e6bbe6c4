/** A socket that speaks bytes: what a test says is exactly what the server gets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class RawClient implements AsyncDisposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** A command as an array of bulk strings. */
  command(...words: readonly (string | Uint8Array)[]): this {
    return this.send(encode(words));
  }

  /** Exactly so many bytes, as Latin-1; throws when the connection ends before. */
  async read(length: number): Promise<string> {
    await this.#until(() => this.#received.length >= length);
    if (this.#received.length < length) {
      throw new Error(`ended after ${JSON.stringify(this.#received.toString('latin1'))}`);
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes.toString('latin1');
  }

  /** One line without its end. */
  async line(): Promise<string> {
    await this.#until(() => this.#received.includes('\r\n'));
    const end = this.#received.indexOf('\r\n');
    if (end < 0) {
      throw new Error(`ended after ${JSON.stringify(this.#received.toString('latin1'))}`);
    }
    return (await this.read(end + 2)).slice(0, -2);
  }

  /** Everything until the server closes its side. */
  async rest(): Promise<string> {
    await this.#until(() => this.#ended);
    return await this.read(this.#received.length);
  }

  /** Sends a command and expects exactly this. */
  async expect(words: readonly (string | Uint8Array)[], reply: string): Promise<void> {
    this.command(...words);
    const found = await this.read(Buffer.byteLength(reply, 'latin1'));
    if (found !== reply) {
      throw new Error(
        `${words.join(' ')}: ${JSON.stringify(found)} instead of ${JSON.stringify(reply)}`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done() && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function encode(words: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word, 'latin1') : Buffer.from(word);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
