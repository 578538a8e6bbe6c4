/** Words of an inline command, split as Redis splits them: quotes, escapes, white space. */
import { ARGUMENTS_INLINE_MAX, LINE_BYTES_MAX } from '../generated/constants';
import { lineScratch, Thread } from '../layout';
import { growArguments } from './parse';

// @ts-ignore: decorator
@inline
function isSpace(byte: u8): bool {
  return byte == 32 || (byte >= 9 && byte <= 13) || byte == 0;
}

function hexDigit(byte: u8): i32 {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function unescape(byte: u8): u8 {
  if (byte == 110) return 10; // n
  if (byte == 114) return 13; // r
  if (byte == 116) return 9; // t
  if (byte == 98) return 8; // b
  if (byte == 97) return 7; // a
  return byte;
}

/** Fills `argv` with the words of [start, stop), decoded into the line scratch. -1: bad quotes. */
export function splitLine(thread: Thread, start: usize, stop: usize): i32 {
  let to = lineScratch(thread);
  let at = start;
  let words: u32 = 0;
  while (true) {
    while (at < stop && isSpace(load<u8>(at))) at++;
    if (at >= stop) return words;
    // A line has at most half as many words as bytes.
    if (words >= ARGUMENTS_INLINE_MAX && thread.argvCapacity == ARGUMENTS_INLINE_MAX) {
      if (!regrow(thread, words)) return -1;
    }
    const word = to;
    let quote: u8 = 0;
    while (true) {
      if (at >= stop) {
        if (quote != 0) return -1;
        break;
      }
      const byte = load<u8>(at);
      if (quote == 0) {
        if (isSpace(byte)) break;
        at++;
        if (byte == 34 || byte == 39) quote = byte;
        else store<u8>(to++, byte);
        continue;
      }
      if (byte == quote) {
        // A closing quote ends a word: white space or the line's end must follow.
        if (at + 1 < stop && !isSpace(load<u8>(at, 1))) return -1;
        at++;
        quote = 0;
        break;
      }
      if (byte == 92 && at + 1 < stop) {
        const next = load<u8>(at, 1);
        if (quote == 39) {
          store<u8>(to++, next == 39 ? 39 : 92);
          at += next == 39 ? 2 : 1;
          continue;
        }
        const high = next == 120 && at + 3 < stop ? hexDigit(load<u8>(at, 2)) : -1;
        const low = high >= 0 ? hexDigit(load<u8>(at, 3)) : -1;
        if (low >= 0) {
          store<u8>(to++, <u8>((high << 4) | low));
          at += 4;
        } else {
          store<u8>(to++, unescape(next));
          at += 2;
        }
        continue;
      }
      store<u8>(to++, byte);
      at++;
    }
    store<u32>(<usize>thread.argv + (<usize>words << 3), <u32>word);
    store<u32>(<usize>thread.argv + (<usize>words << 3), <u32>(to - word), 4);
    words++;
  }
}

/** More arguments than the thread has room for: moves those that it has. */
function regrow(thread: Thread, words: u32): bool {
  const old = <usize>thread.argv;
  if (!growArguments(thread, LINE_BYTES_MAX)) return false;
  memory.copy(thread.argv, old, <usize>words << 3);
  return true;
}
