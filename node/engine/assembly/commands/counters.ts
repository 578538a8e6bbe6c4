/** INCR, DECR, INCRBY, DECRBY. */
import {
  MESSAGE_DECREMENT_OVERFLOW,
  MESSAGE_DECREMENT_OVERFLOW_LENGTH,
  MESSAGE_NOT_AN_INTEGER,
  MESSAGE_NOT_AN_INTEGER_LENGTH,
  MESSAGE_OVERFLOW,
  MESSAGE_OVERFLOW_LENGTH,
} from '../generated/constants';
import { Thread } from '../layout';
import { isInteger, parsedInteger } from '../resp/numbers';
import { replyInteger } from '../resp/reply';
import {
  fail,
  failKeyTooLong,
  failOutOfMemory,
  gateOfWrite,
  keyFits,
  PROCEED,
  shardOfKey,
} from './access';
import { argumentAt, argumentLength } from './names';
import { ADDED, addToKey, NOT_AN_INTEGER, OVERFLOW } from './write';

export function incrementBy(thread: Thread, sign: i64): i32 {
  const from = argumentAt(thread, 2);
  const bytes = argumentLength(thread, 2);
  if (!isInteger(from, bytes)) return failNotAnInteger(thread);
  const by = parsedInteger(from, bytes);
  if (sign < 0 && by == i64.MIN_VALUE) {
    return fail(thread, MESSAGE_DECREMENT_OVERFLOW, MESSAGE_DECREMENT_OVERFLOW_LENGTH);
  }
  return increment(thread, by * sign);
}

export function increment(thread: Thread, by: i64): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (!keyFits(length)) return failKeyTooLong(thread);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const result = addToKey(thread, shard, key, length, by);
  if (result == NOT_AN_INTEGER) return failNotAnInteger(thread);
  if (result == OVERFLOW) return fail(thread, MESSAGE_OVERFLOW, MESSAGE_OVERFLOW_LENGTH);
  if (result != ADDED) return failOutOfMemory(thread);
  replyInteger(thread, thread.number);
  return PROCEED;
}

export function failNotAnInteger(thread: Thread): i32 {
  return fail(thread, MESSAGE_NOT_AN_INTEGER, MESSAGE_NOT_AN_INTEGER_LENGTH);
}
