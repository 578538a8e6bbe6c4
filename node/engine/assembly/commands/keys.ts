/** DEL, EXISTS, TYPE. */
import {
  MESSAGE_TYPE_NONE,
  MESSAGE_TYPE_NONE_LENGTH,
  MESSAGE_TYPE_STRING,
  MESSAGE_TYPE_STRING_LENGTH,
} from '../generated/constants';
import { mayAnswer } from '../control';
import { Thread } from '../layout';
import { hashKey } from '../memory/hash';
import { replyInteger, replyText } from '../resp/reply';
import { isExpired } from '../twin/record';
import {
  failCrossSlot,
  findForWriting,
  gateOfRead,
  gateOfWrite,
  lookUp,
  parkRead,
  PROCEED,
  sameSlot,
  shardOfKey,
  sideToRead,
} from './access';
import { argumentAt, argumentLength } from './names';
import { putNothing } from './write';

export function deleteKeys(thread: Thread): i32 {
  const shard = shardOfKey(thread, 1);
  if (!sameSlot(thread, 1, 1)) return failCrossSlot(thread);
  const gate = gateOfWrite(thread, shard);
  if (gate != PROCEED) return gate;
  const sequence = shard.sequence + 1;
  let deleted: i64 = 0;
  for (let index: u32 = 1; index < thread.argc; index++) {
    const key = argumentAt(thread, index);
    const length = argumentLength(thread, index);
    const hash = hashKey(key, length);
    const slot = findForWriting(shard, hash, key, length);
    if (slot == 0) continue;
    if (!isExpired(load<u32>(slot), thread.nowMs)) deleted++;
    putNothing(thread, shard, hash, slot, sequence);
    shard.sequence = sequence;
  }
  replyInteger(thread, deleted);
  return PROCEED;
}

export function countKeys(thread: Thread): i32 {
  const shard = shardOfKey(thread, 1);
  if (!sameSlot(thread, 1, 1)) return failCrossSlot(thread);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const side = sideToRead(thread, shard);
  let there: i64 = 0;
  for (let index: u32 = 1; index < thread.argc; index++) {
    const key = argumentAt(thread, index);
    const length = argumentLength(thread, index);
    if (lookUp(thread, shard, side, hashKey(key, length), key, length) != 0) there++;
  }
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  replyInteger(thread, there);
  return PROCEED;
}

export function typeOfKey(thread: Thread): i32 {
  const key = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  const shard = shardOfKey(thread, 1);
  const gate = gateOfRead(thread, shard);
  if (gate != PROCEED) return gate;
  const side = sideToRead(thread, shard);
  const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
  if (!mayAnswer(thread, shard, thread.leadership)) return parkRead(thread, shard);
  if (record != 0) replyText(thread, MESSAGE_TYPE_STRING, MESSAGE_TYPE_STRING_LENGTH);
  else replyText(thread, MESSAGE_TYPE_NONE, MESSAGE_TYPE_NONE_LENGTH);
  return PROCEED;
}
