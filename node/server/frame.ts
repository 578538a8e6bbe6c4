/**
 * Where one command ends. JavaScript needs it only where it must pass over a command that the engine
 * did not take (it waited too long for its shard) or run exactly one (CLIENT REPLY SKIP); the engine has checked the frame.
 */
const star = 0x2a;
const dollar = 0x24;
const lineFeed = 0x0a;

/** Offset past the command that begins at `start`, or -1 when it isn't whole before `end`. */
export function frameEnd(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== star) {
    const newline = bytes.indexOf(lineFeed, start);
    return newline < 0 || newline >= end ? -1 : newline + 1;
  }
  const header = numberLine(bytes, start, end);
  if (header === undefined) {
    return -1;
  }
  let at = header.next;
  for (let left = header.value; left > 0; left--) {
    const bulk = bytes[at] === dollar ? numberLine(bytes, at, end) : undefined;
    if (bulk === undefined || bulk.value < 0 || bulk.next + bulk.value + 2 > end) {
      return -1;
    }
    at = bulk.next + bulk.value + 2;
  }
  return at;
}

/** The number of a `*3` or `$5` line, and where the next line begins. */
function numberLine(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  let negative = false;
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === lineFeed) {
      return { value: negative ? -value : value, next: at + 1 };
    }
    if (byte === 0x2d) {
      negative = true;
    } else if (byte >= 0x30 && byte <= 0x39) {
      value = value * 10 + (byte - 0x30);
    }
  }
  return undefined;
}
