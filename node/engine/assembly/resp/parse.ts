/**
 * The Redis protocol's requests: multi-bulk frames and inline commands, with Redis' limits and words.
 *
 * What a command is depends on its bytes alone, never on how they were cut into chunks. A command
 * that is not whole yet leaves a checkpoint in its connection once it has many arguments, so that
 * looking again costs what is new, not what was seen before.
 */
import {
  ARGUMENTS_INLINE_MAX,
  ARGUMENTS_MAX,
  LINE_BYTES_MAX,
  MESSAGE_EXPECTED_DOLLAR,
  MESSAGE_EXPECTED_DOLLAR_LENGTH,
  MESSAGE_INVALID_BULK,
  MESSAGE_INVALID_BULK_LENGTH,
  MESSAGE_INVALID_MULTIBULK,
  MESSAGE_INVALID_MULTIBULK_LENGTH,
  MESSAGE_OUT_OF_MEMORY,
  MESSAGE_OUT_OF_MEMORY_LENGTH,
  MESSAGE_QUOTE_END,
  MESSAGE_QUOTE_END_LENGTH,
  MESSAGE_TOO_BIG_BULK,
  MESSAGE_TOO_BIG_BULK_LENGTH,
  MESSAGE_TOO_BIG_INLINE,
  MESSAGE_TOO_BIG_INLINE_LENGTH,
  MESSAGE_TOO_BIG_MULTIBULK,
  MESSAGE_TOO_BIG_MULTIBULK_LENGTH,
  MESSAGE_UNBALANCED,
  MESSAGE_UNBALANCED_LENGTH,
} from '../generated/constants';
import { header, inlineArguments, KIND_BUFFERS, numberScratch, Thread } from '../layout';
import { allocate, free } from '../memory/allocator';
import { splitLine } from './inline';
import { isInteger, parsedInteger } from './numbers';
import { replyText } from './reply';

export const PARSED: i32 = 0;
/** Nothing to run (an empty line or frame); `thread.next` is behind it. */
export const NOTHING: i32 = 1;
export const INCOMPLETE: i32 = 2;
export const BROKEN: i32 = 3;

/** Arguments from which on an incomplete command leaves a checkpoint. */
const CHECKPOINT_ARGUMENTS: u32 = 16;

/** What an arena keeps of a connection. */
@unmanaged
export class Connection {
  /** 2 or 3. */
  protocol: u32;
  /** Where the next argument of an incomplete command starts, from its first byte; 0: no checkpoint. */
  checkpoint: u32;
  /** Arguments from there on. */
  argumentsLeft: u32;
  /** A reply that is sent in pieces (resp/pieces.ts), and the length of its command. */
  pieces: u32;
  piecesCommandBytes: u32;
  /** 1: it may read copies of shards that other nodes lead. */
  readOnly: u32;
  /** 1: it has written what is not resolved yet, so its reads look there. */
  unresolved: u32;
  reserved1: u32;
}

// @ts-ignore: decorator
@inline
export function connectionOf(thread: Thread): Connection {
  return changetype<Connection>(<usize>thread.connection);
}

/** Parses the command at `thread.position`. */
export function parse(thread: Thread): i32 {
  const start = <usize>thread.position;
  if (load<u8>(start) != 42) return parseInline(thread);
  const connection = connectionOf(thread);
  if (connection.checkpoint != 0) {
    const seen = checkRest(thread, connection);
    if (seen != PARSED) return seen;
  }
  // The usual head: one digit.
  let count: u32 = 0;
  let at = start + 1;
  const digit = <u32>load<u8>(start, 1) - 48;
  if (start + 4 <= <usize>thread.end && digit <= 9 && load<u8>(start, 2) == 13) {
    count = digit;
    at = start + 4;
  } else {
    const read = readCount(thread, at);
    if (read != PARSED) return read;
    const value = <i64>load<i64>(numberScratch(thread));
    at = thread.next;
    if (value > <i64>ARGUMENTS_MAX) return broken(thread, MESSAGE_INVALID_MULTIBULK, MESSAGE_INVALID_MULTIBULK_LENGTH);
    count = value <= 0 ? 0 : <u32>value;
  }
  if (count == 0) {
    thread.next = <u32>at;
    return NOTHING;
  }
  if (count > thread.argvCapacity) {
    const whole = count > CHECKPOINT_ARGUMENTS ? firstLook(thread, at, count) : PARSED;
    if (whole != PARSED) return whole;
    if (!growArguments(thread, count)) {
      return broken(thread, MESSAGE_OUT_OF_MEMORY, MESSAGE_OUT_OF_MEMORY_LENGTH);
    }
  }
  return parseArguments(thread, at, count);
}

/** Fills `argv` with `count` arguments that start at `at`. */
function parseArguments(thread: Thread, from: usize, count: u32): i32 {
  const end = <usize>thread.end;
  const argv = <usize>thread.argv;
  let at = from;
  for (let index: u32 = 0; index < count; index++) {
    let length: u32;
    // Most lengths have one or two digits.
    const head = at + 6 <= end ? load<u32>(at) : 0;
    const first = ((head >> 8) & 255) - 48;
    const second = ((head >> 16) & 255) - 48;
    if ((head & 0xff0000ff) == 0x0d000024 && first - 1 <= 8 && second <= 9) {
      length = first * 10 + second;
      at += 5;
    } else if ((head & 0xff00ff) == 0x0d0024 && first <= 9) {
      length = first;
      at += 4;
    } else {
      const read = readBulkHead(thread, at);
      if (read != PARSED) {
        if (read == INCOMPLETE) leaveCheckpoint(thread, at, index, count);
        return read;
      }
      length = load<u32>(numberScratch(thread));
      at = thread.next;
    }
    if (length + 2 > end - at) {
      thread.needed = <u32>(at + length + 2 - thread.position);
      const headBytes = headBytesOf(at);
      leaveCheckpoint(thread, at - headBytes, index, count);
      return INCOMPLETE;
    }
    store<u32>(argv + (<usize>index << 3), <u32>at);
    store<u32>(argv + (<usize>index << 3), length, 4);
    at += length + 2;
  }
  thread.argc = count;
  thread.next = <u32>at;
  return PARSED;
}

/** Bytes of the header line that ends before `at`. */
function headBytesOf(at: usize): usize {
  let start = at - 3;
  while (load<u8>(start) != 36) start--;
  return at - start;
}

function leaveCheckpoint(thread: Thread, at: usize, index: u32, count: u32): void {
  if (index < CHECKPOINT_ARGUMENTS) return;
  const connection = connectionOf(thread);
  connection.checkpoint = <u32>(at - thread.position);
  connection.argumentsLeft = count - index;
}

/** Before memory for many arguments is taken: are they all there? */
function firstLook(thread: Thread, at: usize, count: u32): i32 {
  const connection = connectionOf(thread);
  connection.checkpoint = <u32>(at - thread.position);
  connection.argumentsLeft = count;
  return checkRest(thread, connection);
}

/** Goes on from the checkpoint; PARSED: the command is whole, and the checkpoint is gone. */
function checkRest(thread: Thread, connection: Connection): i32 {
  const end = <usize>thread.end;
  let at = <usize>thread.position + connection.checkpoint;
  let left = connection.argumentsLeft;
  while (left > 0) {
    let result = PARSED;
    let next: usize = 0;
    if (at >= end) {
      thread.needed = <u32>(at + 1 - thread.position);
      result = INCOMPLETE;
    } else {
      result = readBulkHead(thread, at);
      if (result == PARSED) {
        const bytes = load<u32>(numberScratch(thread)) + 2;
        next = <usize>thread.next + bytes;
        if (bytes > end - thread.next) {
          thread.needed = <u32>(next - thread.position);
          result = INCOMPLETE;
        }
      }
    }
    if (result != PARSED) {
      connection.checkpoint = result == INCOMPLETE ? <u32>(at - thread.position) : 0;
      connection.argumentsLeft = left;
      return result;
    }
    at = next;
    left--;
  }
  connection.checkpoint = 0;
  return PARSED;
}

/** Number of arguments behind the star at `at - 1`; `thread.next` is then behind its line. */
function readCount(thread: Thread, at: usize): i32 {
  const line = lineEnd(thread, at - 1);
  if (line == 0) return incompleteLine(thread, at - 1, MESSAGE_TOO_BIG_MULTIBULK, MESSAGE_TOO_BIG_MULTIBULK_LENGTH);
  const length = <u32>(line - at);
  if (!isInteger(at, length)) return broken(thread, MESSAGE_INVALID_MULTIBULK, MESSAGE_INVALID_MULTIBULK_LENGTH);
  store<i64>(numberScratch(thread), parsedInteger(at, length));
  thread.next = <u32>line + 2;
  return PARSED;
}

/** Length of the bulk string whose header line starts at `at`; `thread.next` is then at its bytes. */
function readBulkHead(thread: Thread, at: usize): i32 {
  const line = lineEnd(thread, at);
  if (line == 0) return incompleteLine(thread, at, MESSAGE_TOO_BIG_BULK, MESSAGE_TOO_BIG_BULK_LENGTH);
  if (load<u8>(at) != 36) return brokenDollar(thread, load<u8>(at));
  const length = <u32>(line - at) - 1;
  if (!isInteger(at + 1, length)) return broken(thread, MESSAGE_INVALID_BULK, MESSAGE_INVALID_BULK_LENGTH);
  const value = parsedInteger(at + 1, length);
  const most = <i64>max(header().valueBytesMax, header().keyBytesMax);
  if (value < 0 || value > most) return broken(thread, MESSAGE_INVALID_BULK, MESSAGE_INVALID_BULK_LENGTH);
  store<u32>(numberScratch(thread), <u32>value);
  thread.next = <u32>line + 2;
  return PARSED;
}

/** Address of the CR that ends the line, when the LF behind it is there too; else 0. */
function lineEnd(thread: Thread, from: usize): usize {
  const end = min(<usize>thread.end, from + LINE_BYTES_MAX + 1);
  for (let at = from; at < end; at++) {
    if (load<u8>(at) == 13) return at + 2 <= <usize>thread.end ? at : 0;
  }
  return 0;
}

function incompleteLine(thread: Thread, from: usize, offset: u32, length: u32): i32 {
  const there = <usize>thread.end - from;
  // A CR within the limit, of which only the LF is missing, is no overlong line.
  if (there > LINE_BYTES_MAX + 1) return broken(thread, offset, length);
  if (there == LINE_BYTES_MAX + 1 && load<u8>(<usize>thread.end - 1) != 13) {
    return broken(thread, offset, length);
  }
  thread.needed = <u32>(<usize>thread.end + 1 - thread.position);
  return INCOMPLETE;
}

function broken(thread: Thread, offset: u32, length: u32): i32 {
  connectionOf(thread).checkpoint = 0;
  replyText(thread, offset, length);
  return BROKEN;
}

function brokenDollar(thread: Thread, byte: u8): i32 {
  broken(thread, MESSAGE_EXPECTED_DOLLAR, MESSAGE_EXPECTED_DOLLAR_LENGTH);
  // A line break would end the reply early.
  store<u8>(thread.out++, byte == 13 || byte == 10 ? 32 : byte);
  return broken(thread, MESSAGE_QUOTE_END, MESSAGE_QUOTE_END_LENGTH);
}

function parseInline(thread: Thread): i32 {
  const start = <usize>thread.position;
  const end = min(<usize>thread.end, start + LINE_BYTES_MAX + 1);
  let at = start;
  while (at < end && load<u8>(at) != 10) at++;
  if (at == end) {
    if (end - start > LINE_BYTES_MAX) return broken(thread, MESSAGE_TOO_BIG_INLINE, MESSAGE_TOO_BIG_INLINE_LENGTH);
    thread.needed = <u32>(<usize>thread.end + 1 - start);
    return INCOMPLETE;
  }
  thread.next = <u32>at + 1;
  const stop = at > start && load<u8>(at - 1) == 13 ? at - 1 : at;
  const words = splitLine(thread, start, stop);
  if (words < 0) return broken(thread, MESSAGE_UNBALANCED, MESSAGE_UNBALANCED_LENGTH);
  thread.argc = <u32>words;
  return words == 0 ? NOTHING : PARSED;
}

/** Room for `count` arguments in `argv`; false: no memory. */
export function growArguments(thread: Thread, count: u32): bool {
  if (count <= thread.argvCapacity) return true;
  dropArguments(thread);
  const argv = allocate(thread, count << 3, KIND_BUFFERS, false);
  if (argv == 0) return false;
  thread.argv = <u32>argv;
  thread.argvCapacity = count;
  return true;
}

/** Back to the arguments that the thread has of its own. */
export function dropArguments(thread: Thread): void {
  if (thread.argvCapacity > ARGUMENTS_INLINE_MAX) {
    free(thread, thread.argv, thread.argvCapacity << 3, KIND_BUFFERS);
  }
  thread.argv = <u32>inlineArguments(thread);
  thread.argvCapacity = ARGUMENTS_INLINE_MAX;
}
