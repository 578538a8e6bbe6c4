/**
 * How sessions are written down: beside the engine's bytes in the content of an entry, and whole at the end of a
 * snapshot. All numbers are big endian.
 *
 *     content   the engine's part as it is; or, with a section: `framed` (1), bytes of the engine's part (4),
 *               the engine's part, the section
 *     section   endedBefore (8), sessions that end (4) and the ID of each (16), records (4) and each:
 *               ID (16), number (8), answeredBelow (8), bytes of the result (4), the result
 *     table     endedBefore (8), sessions (4), each: ID (16), answeredBelow (8), results (4),
 *               each: number (8), bytes (4), the result
 *
 * A result that was too large to be kept has `absent` for its length: that it was given is remembered.
 */

/** Names a write. `session`: 16 bytes, the first 6 its start in milliseconds since 1970. */
export interface RequestId {
  readonly session: Uint8Array;
  /** From 1. */
  readonly number: number;
  /** The client has the answers of all below. */
  readonly answeredBelow: number;
}

export interface SessionRecord extends RequestId {
  readonly key: string;
  readonly result: Uint8Array | undefined;
}

export interface SessionState {
  readonly session: Uint8Array;
  answeredBelow: number;
  /** By number; undefined: it was too large to be kept. */
  readonly results: Map<number, Uint8Array | undefined>;
}

export interface Section {
  readonly endedBeforeMs: number;
  /** Keys of sessions that are forgotten. */
  readonly ended: readonly string[];
  readonly records: readonly SessionRecord[];
}

export const sessionIdBytes = 16;
const absent = 0xffff_ffff;
/** First byte of a content with a section; the engine's part begins with its form, a small number. */
const framed = 0xff;

export function sessionKey(session: Uint8Array): string {
  if (session.length !== sessionIdBytes) {
    throw new RangeError(`a session's ID has ${sessionIdBytes} bytes, not ${session.length}`);
  }
  return String.fromCharCode(...session);
}

/** When it began, by its client's clock. */
export function startMsOf(session: Uint8Array): number {
  let startMs = 0;
  for (let at = 0; at < 6; at++) startMs = startMs * 256 + (session[at] ?? 0);
  return startMs;
}

export function frame(engine: Uint8Array, section: Section | undefined): Uint8Array {
  // Nearly always: nothing is copied for it.
  if (section === undefined && engine[0] !== framed) return engine;
  const bytes = 5 + engine.length + (section === undefined ? 0 : sectionBytes(section));
  const writer = new Writer(bytes);
  writer.byte(framed);
  writer.block(engine);
  if (section === undefined) return writer.bytes;
  writer.whole(section.endedBeforeMs);
  writer.length(section.ended.length);
  for (const key of section.ended) writer.raw(idOf(key));
  writer.length(section.records.length);
  for (const { session, number, answeredBelow, result } of section.records) {
    writer.raw(session);
    writer.whole(number);
    writer.whole(answeredBelow);
    writer.result(result);
  }
  return writer.bytes;
}

/** The engine's part of a content alone. */
export function engineOf(content: Uint8Array): Uint8Array {
  return content[0] === framed ? unframe(content).engine : content;
}

/** Throws RangeError for what `frame` never makes. */
export function unframe(content: Uint8Array): { engine: Uint8Array; section?: Section } {
  if (content[0] !== framed) return { engine: content };
  const reader = new Reader(content.subarray(1));
  const engine = reader.block();
  if (reader.isAtEnd) return { engine };
  const endedBeforeMs = reader.whole();
  const ended = reader.list(() => sessionKey(reader.raw(sessionIdBytes)));
  const records = reader.list(() => {
    const session = reader.raw(sessionIdBytes).slice();
    const number = reader.whole();
    const answeredBelow = reader.whole();
    return { session, key: sessionKey(session), number, answeredBelow, result: reader.result() };
  });
  reader.end();
  return { engine, section: { endedBeforeMs, ended, records } };
}

export function encodeTable(
  endedBeforeMs: number,
  sessions: ReadonlyMap<string, SessionState>,
): Uint8Array {
  let bytes = 12;
  for (const { results } of sessions.values()) {
    bytes += sessionIdBytes + 12;
    for (const result of results.values()) bytes += 12 + (result?.length ?? 0);
  }
  const writer = new Writer(bytes);
  writer.whole(endedBeforeMs);
  writer.length(sessions.size);
  for (const { session, answeredBelow, results } of sessions.values()) {
    writer.raw(session);
    writer.whole(answeredBelow);
    writer.length(results.size);
    for (const [number, result] of results) {
      writer.whole(number);
      writer.result(result);
    }
  }
  return writer.bytes;
}

/** Throws RangeError for what `encodeTable` never makes. */
export function decodeTable(encoded: Uint8Array): {
  endedBeforeMs: number;
  sessions: (readonly [string, SessionState])[];
} {
  const reader = new Reader(encoded);
  const endedBeforeMs = reader.whole();
  const sessions = reader.list(() => {
    const session = reader.raw(sessionIdBytes).slice();
    const answeredBelow = reader.whole();
    const results = new Map(reader.list(() => [reader.whole(), reader.result()] as const));
    return [sessionKey(session), { session, answeredBelow, results }] as const;
  });
  reader.end();
  return { endedBeforeMs, sessions };
}

function sectionBytes({ ended, records }: Section): number {
  let bytes = 16 + ended.length * sessionIdBytes;
  for (const { result } of records) bytes += sessionIdBytes + 20 + (result?.length ?? 0);
  return bytes;
}

const idOf = (key: string): Uint8Array => Uint8Array.from(key, (letter) => letter.charCodeAt(0));

class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  byte(value: number): void {
    this.bytes[this.#at++] = value;
  }

  length(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  whole(value: number): void {
    this.length(Math.floor(value / 2 ** 32));
    this.length(value % 2 ** 32);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  block(bytes: Uint8Array): void {
    this.length(bytes.length);
    this.raw(bytes);
  }

  result(result: Uint8Array | undefined): void {
    if (result === undefined) this.length(absent);
    else this.block(result);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  end(): void {
    if (!this.isAtEnd) throw new RangeError('bytes follow the sessions');
  }

  length(): number {
    this.#need(4);
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }

  whole(): number {
    const value = this.length() * 2 ** 32 + this.length();
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is too large`);
    return value;
  }

  raw(length: number): Uint8Array {
    this.#need(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  block(): Uint8Array {
    return this.raw(this.length());
  }

  /** A copy: the frame that it came in is not kept for it. */
  result(): Uint8Array | undefined {
    const length = this.length();
    return length === absent ? undefined : this.raw(length).slice();
  }

  list<T>(one: () => T): T[] {
    const count = this.length();
    const values: T[] = [];
    for (let at = 0; at < count; at++) values.push(one());
    return values;
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new RangeError('the sessions end too soon');
  }
}
