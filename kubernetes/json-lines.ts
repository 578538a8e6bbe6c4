/** JSON texts, one a line, from a stream of bytes. */
import { WATCH_LINE_BYTES_MAX } from './limits.ts';

const NEWLINE = 0x0a;

export class BadLineError extends Error {
  override readonly name = 'BadLineError';
}

/** Throws BadLineError for a line that is no JSON or has no end. */
export async function* jsonLines(
  chunks: AsyncIterable<Buffer>,
  lineBytesMax = WATCH_LINE_BYTES_MAX,
): AsyncGenerator<unknown> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      const text = Buffer.concat(parts).toString('utf8').trim();
      parts = [];
      bytes = 0;
      start = end + 1;
      if (text !== '') yield parse(text);
    }
    const rest = chunk.subarray(start);
    bytes += rest.length;
    if (bytes > lineBytesMax) throw new BadLineError(`a line of more than ${lineBytesMax} bytes`);
    if (rest.length > 0) parts.push(rest);
  }
  // What stands after the last newline is half of an event: the connection broke in it.
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new BadLineError(`a line that is no JSON: ${text.slice(0, 80)}`, { cause });
  }
}
