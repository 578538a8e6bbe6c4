/** SET with every option: NX XX IFEQ GET EX PX EXAT PXAT KEEPTTL. */
import {
  MESSAGE_COMMAND_END,
  MESSAGE_COMMAND_END_LENGTH,
  MESSAGE_INVALID_EXPIRE,
  MESSAGE_INVALID_EXPIRE_LENGTH,
  MESSAGE_NOT_AN_INTEGER,
  MESSAGE_NOT_AN_INTEGER_LENGTH,
  MESSAGE_SYNTAX,
  MESSAGE_SYNTAX_LENGTH,
  STOP_OUTPUT_FULL,
  WORD_EX,
  WORD_EXAT,
  WORD_GET,
  WORD_IFEQ,
  WORD_KEEPTTL,
  WORD_NX,
  WORD_PX,
  WORD_PXAT,
  WORD_XX,
} from '../generated/constants';
import { header, textScratch, Thread } from '../layout';
import { equalBytes } from '../memory/bytes';
import { hashKey } from '../memory/hash';
import { isInteger, parsedInteger } from '../resp/numbers';
import { replyCommandName, replyNull, replyOk, replyText } from '../resp/reply';
import { expiryOrNone, isExpired, valueBytes, valueLength } from '../twin/record';
import {
  fail,
  failed,
  failKeyTooLong,
  failOutOfMemory,
  findForWriting,
  gateOfWrite,
  keyFits,
  PROCEED,
  replyValue,
  shardOfKey,
  valueHasRoom,
} from './access';
import { argumentAt, argumentLength, optionAt } from './names';
import { failValueTooLong } from './strings';
import { putBytes, putNothing } from './write';

const IF_ABSENT: u32 = 1;
const IF_PRESENT: u32 = 2;
const IF_EQUAL: u32 = 4;
const CONDITION: u32 = 7;
const GET: u32 = 8;
const KEEP: u32 = 16;
const EXPIRES: u32 = 32;
const SECONDS: u32 = 64;
const ABSOLUTE: u32 = 128;

const EXPIRY_MAX: i64 = i64.MAX_VALUE;

/** Says `invalid expire time in 'name' command`. */
export function failExpiry(thread: Thread): i32 {
  replyText(thread, MESSAGE_INVALID_EXPIRE, MESSAGE_INVALID_EXPIRE_LENGTH);
  replyCommandName(thread, thread.command);
  replyText(thread, MESSAGE_COMMAND_END, MESSAGE_COMMAND_END_LENGTH);
  return failed(thread);
}

export function set(thread: Thread): i32 {
  const argc = thread.argc;
  let options: u32 = 0;
  let expiryArgument: u32 = 0;
  let compared: u32 = 0;
  for (let index: u32 = 3; index < argc; index++) {
    const word = optionAt(thread, index);
    const more = index + 1 < argc;
    if (word == WORD_NX && !(options & (CONDITION & ~IF_ABSENT))) {
      options |= IF_ABSENT;
    } else if (word == WORD_XX && !(options & (CONDITION & ~IF_PRESENT))) {
      options |= IF_PRESENT;
    } else if (word == WORD_IFEQ && !(options & CONDITION) && more) {
      options |= IF_EQUAL;
      compared = ++index;
    } else if (word == WORD_GET) {
      options |= GET;
    } else if (word == WORD_KEEPTTL && !(options & EXPIRES)) {
      options |= KEEP;
    } else if (more && !(options & KEEP) && expiryKind(word) != 0) {
      const kind = expiryKind(word);
      // A second expiry of another kind contradicts the first.
      if (options & EXPIRES && (options & (SECONDS | ABSOLUTE)) != (kind & (SECONDS | ABSOLUTE))) {
        return fail(thread, MESSAGE_SYNTAX, MESSAGE_SYNTAX_LENGTH);
      }
      options |= kind;
      expiryArgument = ++index;
    } else {
      return fail(thread, MESSAGE_SYNTAX, MESSAGE_SYNTAX_LENGTH);
    }
  }
  let expiryMs: i64 = -1;
  if (options & EXPIRES) {
    const from = argumentAt(thread, expiryArgument);
    const bytes = argumentLength(thread, expiryArgument);
    if (!isInteger(from, bytes)) return fail(thread, MESSAGE_NOT_AN_INTEGER, MESSAGE_NOT_AN_INTEGER_LENGTH);
    expiryMs = parsedInteger(from, bytes);
    if (expiryMs <= 0) return failExpiry(thread);
    if (options & SECONDS) {
      if (expiryMs > EXPIRY_MAX / 1000) return failExpiry(thread);
      expiryMs *= 1000;
    }
    if (!(options & ABSOLUTE)) {
      if (expiryMs > EXPIRY_MAX - thread.nowMs) return failExpiry(thread);
      expiryMs += thread.nowMs;
    }
  }
  return storeValue(thread, options, expiryMs, compared);
}

function expiryKind(word: u64): u32 {
  if (word == WORD_EX) return EXPIRES | SECONDS;
  if (word == WORD_PX) return EXPIRES;
  if (word == WORD_EXAT) return EXPIRES | SECONDS | ABSOLUTE;
  return word == WORD_PXAT ? EXPIRES | ABSOLUTE : 0;
}

/** SET without options, the usual one, goes straight here. */
// @ts-ignore: decorator
@inline
export function setPlain(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (!keyFits(length)) return failKeyTooLong(thread);
  const value = argumentAt(thread, 2);
  const bytes = argumentLength(thread, 2);
  if (bytes > header().valueBytesMax) return failValueTooLong(thread);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  const sequence = shard.sequence + 1;
  if (!putBytes(thread, shard, hash, slot, 1, value, bytes, -1, sequence)) {
    return failOutOfMemory(thread);
  }
  shard.sequence = sequence;
  replyOk(thread);
  return PROCEED;
}

function storeValue(thread: Thread, options: u32, expiry: i64, compared: u32): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (!keyFits(length)) return failKeyTooLong(thread);
  const value = argumentAt(thread, 2);
  const bytes = argumentLength(thread, 2);
  if (bytes > header().valueBytesMax) return failValueTooLong(thread);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  let old: usize = slot == 0 ? 0 : load<u32>(slot);
  if (old != 0 && isExpired(old, thread.nowMs)) old = 0;
  // The old value's room is needed before anything changes; what does not fit goes out first.
  if (options & GET && old != 0 && !valueHasRoom(thread, old)) return STOP_OUTPUT_FULL;

  const met =
    (!(options & IF_ABSENT) || old == 0) &&
    (!(options & IF_PRESENT) || old != 0) &&
    (!(options & IF_EQUAL) || (old != 0 && hasValue(thread, old, compared)));
  if (!met) {
    if (options & GET && old != 0) return replyValue(thread, old);
    replyNull(thread);
    return PROCEED;
  }
  let expiryMs = expiry;
  if (options & KEEP && old != 0) expiryMs = expiryOrNone(old);
  const sequence = shard.sequence + 1;
  if (expiryMs >= 0 && expiryMs <= thread.nowMs) {
    // An expiry that has passed already: the key is gone at once.
    if (slot != 0) {
      putNothing(thread, shard, hash, slot, sequence);
      shard.sequence = sequence;
    }
  } else {
    if (!putBytes(thread, shard, hash, slot, 1, value, bytes, expiryMs, sequence)) {
      return failOutOfMemory(thread);
    }
    shard.sequence = sequence;
  }
  if (!(options & GET)) {
    replyOk(thread);
    return PROCEED;
  }
  // The old record lives until this batch is published, and its long value as long as it is pinned.
  if (old != 0) return replyValue(thread, old);
  replyNull(thread);
  return PROCEED;
}

function hasValue(thread: Thread, record: usize, compared: u32): bool {
  const scratch = textScratch(thread);
  const length = valueLength(record, scratch);
  return (
    length == argumentLength(thread, compared) &&
    equalBytes(valueBytes(record, scratch), argumentAt(thread, compared), length)
  );
}
