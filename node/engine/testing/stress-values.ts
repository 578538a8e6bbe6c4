/** Values of the stress tests: each tells its pair of keys and a number, and is filled with what follows from both. */

/** Short, medium, and long enough that copying it takes a while. */
function lengthOf(pair: number, number: number): number {
  const mix = (pair * 31 + number * 17) % 10;
  if (mix < 6) return 20 + mix * 30;
  return mix < 9 ? mix * 400 : 20_000;
}

export function fill(pair: number, number: number): Buffer {
  const value = Buffer.alloc(lengthOf(pair, number), 97 + ((pair + number) % 26));
  value.write(`${pair}:${number}:`);
  return value;
}

function bulk(bytes: Buffer): Buffer[] {
  return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
}

export function frame(...words: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...words.flatMap(bulk)]);
}

export interface Value {
  /** -1: null. */
  readonly number: number;
  /** Where the reply behind it starts. */
  readonly next: number;
  /** What is wrong with it. */
  readonly broken?: string;
}

/** Reads the bulk string at `at`. */
export function readValue(reply: Buffer, at: number, pair: number): Value {
  const line = reply.indexOf('\r\n', at);
  const length = Number(reply.toString('latin1', at + 1, line));
  if (length === -1) return { number: -1, next: line + 2 };
  const value = reply.subarray(line + 2, line + 2 + length);
  const [own, count] = value.toString('latin1', 0, 24).split(':');
  const number = Number(count);
  const next = line + 2 + length + 2;
  if (Number(own) === pair && fill(pair, number).equals(value)) return { number, next };
  const start = value.toString('latin1', 0, 40);
  return { number, next, broken: `pair ${pair}: torn or freed value ${start}` };
}
