/** GET, MGET, STRLEN, SETNX, MSET, APPEND. SET has a file of its own. */
import {
  MESSAGE_COMMAND_END,
  MESSAGE_COMMAND_END_LENGTH,
  MESSAGE_STRING_TOO_LONG,
  MESSAGE_STRING_TOO_LONG_LENGTH,
  MESSAGE_VALUE_TOO_LONG,
  MESSAGE_VALUE_TOO_LONG_LENGTH,
  MESSAGE_WRONG_ARITY,
  MESSAGE_WRONG_ARITY_LENGTH,
  STOP_OUTPUT_FULL,
} from '../generated/constants';
import { mayAnswer } from '../control';
import { header, outputWindow, textScratch, Thread } from '../layout';
import { hashKey } from '../memory/hash';
import {
  replyCommandName,
  replyInteger,
  replyNull,
  replyOk,
  replyText,
  writeArrayHeader,
  writeBulk,
  writeNull,
} from '../resp/reply';
import { makePieces } from '../resp/pieces';
import { cellOf, inlineLength, isExpired, isInline, valueLength } from '../twin/record';
import { Shard } from '../twin/shard';
import { rollbackTo } from '../twin/twin';
import {
  fail,
  failCrossSlot,
  failed,
  failKeyTooLong,
  failOutOfMemory,
  findForWriting,
  gateOfRead,
  gateOfWrite,
  keyFits,
  lookUp,
  parkRead,
  PROCEED,
  replyCopied,
  replyValue,
  sameSlot,
  shardOfKey,
  sideToRead,
  valueHasRoom,
} from './access';
import { argumentAt, argumentLength } from './names';
import { appendToKey, APPENDED, putBytes, TOO_LONG } from './write';

export function get(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const side = sideToRead(thread, shard);
  const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
  let out = <usize>thread.out;
  if (record == 0) {
    out += writeNull(thread, out);
  } else if (isInline(record)) {
    // The usual one: there is always room for it.
    out += writeBulk(out, cellOf(record), inlineLength(record));
  } else {
    return getLong(thread, shard, record);
  }
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  thread.out = <u32>out;
  return PROCEED;
}

/** A value that is not inline: it may be long, and then it is pinned for an answer that will be given. */
function getLong(thread: Thread, shard: Shard, record: usize): i32 {
  if (!valueHasRoom(thread, record)) return STOP_OUTPUT_FULL;
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  const start = thread.out;
  const result = replyValue(thread, record);
  if (result != PROCEED || mayAnswer(thread, shard, thread.leadership)) return result;
  thread.out = start;
  return parkRead(thread, shard);
}

export function stringLength(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const side = sideToRead(thread, shard);
  const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
  const bytes = record == 0 ? 0 : valueLength(record, textScratch(thread));
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  replyInteger(thread, bytes);
  return PROCEED;
}

export function multiGet(thread: Thread): i32 {
  const shard = shardOfKey(thread, 1);
  if (!sameSlot(thread, 1, 1)) return failCrossSlot(thread);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const start = thread.out;
  const count = thread.argc - 1;
  // All values are read from one side, so together they are one moment's.
  const side = sideToRead(thread, shard);
  let bytes: u64 = 32;
  for (let index: u32 = 1; index <= count; index++) {
    const key = argumentAt(thread, index);
    const length = argumentLength(thread, index);
    const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
    bytes += record == 0 ? 5 : <u64>valueLength(record, textScratch(thread)) + 16;
  }
  if (<u64>thread.out + bytes + 64 > <u64>thread.outLimit) {
    if (thread.out != <u32>outputWindow(thread)) return STOP_OUTPUT_FULL;
    if (!makePieces(thread, shard, side)) return failOutOfMemory(thread);
    if (mayAnswer(thread, shard, thread.leadership)) return PROCEED;
    return parkRead(thread, shard);
  }
  thread.out += writeArrayHeader(thread.out, count);
  for (let index: u32 = 1; index <= count; index++) {
    const key = argumentAt(thread, index);
    const length = argumentLength(thread, index);
    const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
    if (record == 0) replyNull(thread);
    else replyCopied(thread, record);
  }
  if (mayAnswer(thread, shard, thread.leadership)) return PROCEED;
  thread.out = start;
  return parkRead(thread, shard);
}

export function setIfAbsent(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (!keyFits(length)) return failKeyTooLong(thread);
  if (argumentLength(thread, 2) > header().valueBytesMax) return failValueTooLong(thread);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  if (slot != 0 && !isExpired(load<u32>(slot), thread.nowMs)) {
    replyInteger(thread, 0);
    return PROCEED;
  }
  const sequence = shard.sequence + 1;
  if (!putBytes(thread, shard, hash, slot, 1, argumentAt(thread, 2), argumentLength(thread, 2), -1, sequence)) {
    return failOutOfMemory(thread);
  }
  shard.sequence = sequence;
  replyInteger(thread, 1);
  return PROCEED;
}

export function multiSet(thread: Thread): i32 {
  if ((thread.argc & 1) == 0) {
    replyText(thread, MESSAGE_WRONG_ARITY, MESSAGE_WRONG_ARITY_LENGTH);
    replyCommandName(thread, thread.command);
    replyText(thread, MESSAGE_COMMAND_END, MESSAGE_COMMAND_END_LENGTH);
    return failed(thread);
  }
  const shard = shardOfKey(thread, 1);
  if (!sameSlot(thread, 1, 2)) return failCrossSlot(thread);
  for (let index: u32 = 1; index < thread.argc; index += 2) {
    if (!keyFits(argumentLength(thread, index))) return failKeyTooLong(thread);
    if (argumentLength(thread, index + 1) > header().valueBytesMax) return failValueTooLong(thread);
  }
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const before = shard.logEntries;
  const sequence = shard.sequence + 1;
  for (let index: u32 = 1; index < thread.argc; index += 2) {
    const key = argumentAt(thread, index);
    const length = argumentLength(thread, index);
    const hash = hashKey(key, length);
    const slot = findForWriting(shard, hash, key, length);
    const value = argumentAt(thread, index + 1);
    const bytes = argumentLength(thread, index + 1);
    if (!putBytes(thread, shard, hash, slot, index, value, bytes, -1, sequence)) {
      // All or nothing: a command that fails half-way leaves nothing behind.
      rollbackTo(thread, shard, before);
      return failOutOfMemory(thread);
    }
  }
  shard.sequence = sequence;
  replyOk(thread);
  return PROCEED;
}

export function append(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (!keyFits(length)) return failKeyTooLong(thread);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const value = argumentAt(thread, 2);
  const bytes = argumentLength(thread, 2);
  const result = appendToKey(thread, shard, key, length, value, bytes);
  if (result == TOO_LONG) return fail(thread, MESSAGE_STRING_TOO_LONG, MESSAGE_STRING_TOO_LONG_LENGTH);
  if (result != APPENDED) return failOutOfMemory(thread);
  replyInteger(thread, thread.length);
  return PROCEED;
}

export function failValueTooLong(thread: Thread): i32 {
  return fail(thread, MESSAGE_VALUE_TOO_LONG, MESSAGE_VALUE_TOO_LONG_LENGTH);
}
