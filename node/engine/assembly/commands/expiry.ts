/** EXPIRE, PEXPIRE (NX XX GT LT), TTL, PTTL, PERSIST. */
import {
  MESSAGE_GT_AND_LT,
  MESSAGE_GT_AND_LT_LENGTH,
  MESSAGE_NX_AND_OTHERS,
  MESSAGE_NX_AND_OTHERS_LENGTH,
  MESSAGE_UNSUPPORTED_OPTION,
  MESSAGE_UNSUPPORTED_OPTION_LENGTH,
  WORD_GT,
  WORD_LT,
  WORD_NX,
  WORD_XX,
} from '../generated/constants';
import { mayAnswer } from '../control';
import { Thread } from '../layout';
import { hashKey } from '../memory/hash';
import { isInteger, parsedInteger } from '../resp/numbers';
import { replyInteger, replyText } from '../resp/reply';
import { expires, expiryOf, expiryOrNone, isExpired } from '../twin/record';
import {
  fail,
  failed,
  failOutOfMemory,
  findForWriting,
  gateOfRead,
  gateOfWrite,
  lookUp,
  parkRead,
  PROCEED,
  shardOfKey,
  sideToRead,
} from './access';
import { failNotAnInteger } from './counters';
import { argumentAt, argumentLength, optionAt } from './names';
import { failExpiry } from './set';
import { putExpiry, putNothing } from './write';

const NX: u32 = 1;
const XX: u32 = 2;
const GT: u32 = 4;
const LT: u32 = 8;

/** `unit`: milliseconds of one unit of the argument. */
export function expire(thread: Thread, unit: i64): i32 {
  let options: u32 = 0;
  for (let index: u32 = 3; index < thread.argc; index++) {
    const word = optionAt(thread, index);
    if (word == WORD_NX) options |= NX;
    else if (word == WORD_XX) options |= XX;
    else if (word == WORD_GT) options |= GT;
    else if (word == WORD_LT) options |= LT;
    else return failOption(thread, index);
  }
  if (options & NX && options & (XX | GT | LT)) {
    return fail(thread, MESSAGE_NX_AND_OTHERS, MESSAGE_NX_AND_OTHERS_LENGTH);
  }
  if (options & GT && options & LT) return fail(thread, MESSAGE_GT_AND_LT, MESSAGE_GT_AND_LT_LENGTH);
  const from = argumentAt(thread, 2);
  const bytes = argumentLength(thread, 2);
  if (!isInteger(from, bytes)) return failNotAnInteger(thread);
  let expiryMs = parsedInteger(from, bytes);
  if (expiryMs > i64.MAX_VALUE / unit || expiryMs < i64.MIN_VALUE / unit) return failExpiry(thread);
  expiryMs *= unit;
  if (expiryMs > i64.MAX_VALUE - thread.nowMs) return failExpiry(thread);
  expiryMs += thread.nowMs;

  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  const record: usize = slot == 0 ? 0 : load<u32>(slot);
  if (record == 0 || isExpired(record, thread.nowMs) || !met(options, record, expiryMs)) {
    replyInteger(thread, 0);
    return PROCEED;
  }
  const sequence = shard.sequence + 1;
  if (expiryMs <= thread.nowMs) putNothing(thread, shard, hash, slot, sequence);
  else if (!putExpiry(thread, shard, hash, slot, expiryMs, sequence)) return failOutOfMemory(thread);
  shard.sequence = sequence;
  replyInteger(thread, 1);
  return PROCEED;
}

/** No expiry counts as one that is infinitely far away. */
function met(options: u32, record: usize, expiryMs: i64): bool {
  const has = expires(record);
  if (options & NX && has) return false;
  if (options & XX && !has) return false;
  if (options & GT && (!has || expiryMs <= expiryOf(record))) return false;
  return !(options & LT && has && expiryMs >= expiryOf(record));
}

function failOption(thread: Thread, index: u32): i32 {
  replyText(thread, MESSAGE_UNSUPPORTED_OPTION, MESSAGE_UNSUPPORTED_OPTION_LENGTH);
  const word = argumentAt(thread, index);
  // As much as fits a line, without what would end it.
  const length = min<u32>(argumentLength(thread, index), 128);
  for (let at: u32 = 0; at < length; at++) {
    const byte = load<u8>(word + at);
    store<u8>(thread.out++, byte == 13 || byte == 10 ? 32 : byte);
  }
  store<u16>(thread.out, 0x0a0d);
  thread.out += 2;
  return failed(thread);
}

/** `seconds`: rounded as Redis rounds them. */
export function timeToLive(thread: Thread, seconds: bool): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const side = sideToRead(thread, shard);
  const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
  let answer: i64 = record == 0 ? -2 : expiryOrNone(record);
  if (answer >= 0) {
    answer -= thread.nowMs;
    if (seconds) answer = (answer + 500) / 1000;
  }
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  replyInteger(thread, answer);
  return PROCEED;
}

export function persist(thread: Thread): i32 {
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const hash = hashKey(key, length);
  const slot = findForWriting(shard, hash, key, length);
  const record: usize = slot == 0 ? 0 : load<u32>(slot);
  if (record == 0 || !expires(record) || isExpired(record, thread.nowMs)) {
    replyInteger(thread, 0);
    return PROCEED;
  }
  const sequence = shard.sequence + 1;
  if (!putExpiry(thread, shard, hash, slot, -1, sequence)) return failOutOfMemory(thread);
  shard.sequence = sequence;
  replyInteger(thread, 1);
  return PROCEED;
}
