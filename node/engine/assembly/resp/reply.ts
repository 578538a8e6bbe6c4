/** Replies, appended at `thread.out`. The caller has seen that there is room. */
import { CMD_NAMES_OFFSET } from '../generated/constants';
import { Thread } from '../layout';
import { writeInteger, writeUnsigned } from './numbers';
import { copyBytes, copyWithSlack } from '../memory/bytes';
import { textAt } from './texts';

// @ts-ignore: decorator
@inline
export function isResp3(thread: Thread): bool {
  return thread.connection != 0 && load<u8>(thread.connection) == 3;
}

/** `+OK` */
// @ts-ignore: decorator
@inline
export function replyOk(thread: Thread): void {
  store<u32>(thread.out, 0x0d4b4f2b);
  store<u8>(thread.out, 10, 4);
  thread.out += 5;
}

// @ts-ignore: decorator
@inline
export function replyNull(thread: Thread): void {
  thread.out += writeNull(thread, thread.out);
}

/** Writes a null of the connection's protocol, returns its length. */
// @ts-ignore: decorator
@inline
export function writeNull(thread: Thread, to: usize): u32 {
  if (isResp3(thread)) {
    store<u32>(to, 0x000a0d5f);
    return 3;
  }
  store<u32>(to, 0x0d312d24);
  store<u8>(to, 10, 4);
  return 5;
}

export function replyInteger(thread: Thread, value: i64): void {
  const at = <usize>thread.out;
  store<u8>(at, 58);
  const length = 1 + writeInteger(at + 1, value);
  store<u16>(at + length, 0x0a0d);
  thread.out = <u32>at + length + 2;
}

/** Writes `$length\r\n`, returns its length. */
// @ts-ignore: decorator
@inline
export function writeBulkHeader(to: usize, length: u32): u32 {
  if (length < 10) {
    store<u32>(to, 0x0a0d3024 | (length << 8));
    return 4;
  }
  if (length < 100) {
    const tens = (length * 103) >> 10;
    store<u32>(to, 0x0d303024 | (tens << 8) | ((length - tens * 10) << 16));
    store<u8>(to, 10, 4);
    return 5;
  }
  store<u8>(to, 36);
  const size = 1 + writeUnsigned(to + 1, length);
  store<u16>(to + size, 0x0a0d);
  return size + 2;
}

/** Writes a bulk string with up to 15 bytes more behind it, returns its length. */
// @ts-ignore: decorator
@inline
export function writeBulk(to: usize, from: usize, length: u32): u32 {
  const size = writeBulkHeader(to, length);
  copyWithSlack(to + size, from, length);
  store<u16>(to + size + length, 0x0a0d);
  return size + length + 2;
}

/** `*count` */
export function writeArrayHeader(to: usize, count: u32): u32 {
  store<u8>(to, 42);
  const size = 1 + writeUnsigned(to + 1, count);
  store<u16>(to + size, 0x0a0d);
  return size + 2;
}

/** Appends one of the texts that the set-up wrote into the arena. */
export function replyText(thread: Thread, offset: u32, length: u32): void {
  copyBytes(thread.out, textAt(offset), length);
  thread.out += length;
}

export function replyBytes(thread: Thread, from: usize, length: u32): void {
  copyBytes(thread.out, from, length);
  thread.out += length;
}

/** Appends the name of a row of the command table in lower case. */
export function replyCommandName(thread: Thread, command: i32): void {
  const name = textAt(CMD_NAMES_OFFSET + <u32>command * 17);
  replyBytes(thread, name + 1, load<u8>(name));
}
