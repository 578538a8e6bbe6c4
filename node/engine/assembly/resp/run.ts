/**
 * Runs of plain GETs and SETs: the short way of the commands that there are most of.
 *
 * A run reads up to 32 such commands ahead, takes the shards that they write to, and, where the data
 * is larger than the caches, loads what they will need: each pass loads one thing for all of them, so
 * that the waits for memory overlap. Then it executes them in order. Whatever is not plain (another
 * command, a cut frame, a shard that is not led or is busy, an expired key, a long value, refused
 * memory) ends the run before that command, which then goes the general way: so errors, redirects and
 * waits are in one place, execute.ts.
 */
import {
  CMD_GET,
  CMD_SET,
  NAME_GET,
  NAME_SET,
  PAUSE_READERS,
} from '../generated/constants';
import { findForWriting, sideToRead } from '../commands/access';
import { makeValue, put } from '../commands/write';
import { leadershipOf, mayAnswer, mayWrite, refusesOf } from '../control';
import { counterOf, header, RUN_COMMANDS, RUN_ENTRY_BYTES, runEntries, Thread } from '../layout';
import { hashKey, slotOf } from '../memory/hash';
import { search, Side, tableOf } from '../twin/directory';
import { holds } from '../twin/lock';
import { cellOf, inlineLength, isExpired, isInline, touch } from '../twin/record';
import { pauseReader } from '../twin/sections';
import { addressOfShard, Shard, shardOfSlot, sideOf, visibleSide } from '../twin/shard';
import { addressOfTable, candidate, homeControl, openSlot, Table, tableAt } from '../twin/table';
import { hiddenSide, LOCKED, shouldPublish, tryOpen } from '../twin/twin';
import { connectionOf } from './parse';
import { writeBulk, writeNull } from './reply';

/** Room that every command finds for its short replies. */
export const REPLY_ROOM: u32 = 1024;
/** Bytes of the shortest command of a run: a GET of one byte. */
const SHORTEST: usize = 20;
/** 4 KiB units of data from which on the caches do not hold what a run needs. */
export const TOUCH_UNITS: u32 = 256;
/** `*2\r\n$3\r\n` and `*3\r\n$3\r\n`; behind a name of three letters in any case comes `\r\n`. */
const FRAME_OF_TWO: u64 = 0x0a0d33240a0d322a;
const FRAME_OF_THREE: u64 = 0x0a0d33240a0d332a;
const NAME_MASK: u64 = 0xffffdfdfdf;
const LINE_BREAK: u64 = 0x0a0d000000;

@unmanaged
class Entry {
  hash: u64;
  key: u32;
  length: u32;
  /** 0: a GET. */
  value: u32;
  bytes: u32;
  shard: u32;
  /** Behind the command. */
  next: u32;
  /** For the passes that only load: table, or slot, or record; 0: none. */
  place: u32;
  reserved: u32;
}

// @ts-ignore: decorator
@inline
function entryAt(thread: Thread, index: u32): Entry {
  return changetype<Entry>(runEntries(thread) + <usize>index * RUN_ENTRY_BYTES);
}

/** Header line of a bulk string: its own length (bits 24 and up) and the string's; 0: not a usual one. */
// @ts-ignore: decorator
@inline
function bulkHead(at: usize): u32 {
  const head = load<u32>(at);
  const first = ((head >> 8) & 255) - 48;
  const second = ((head >> 16) & 255) - 48;
  if ((head & 0xff0000ff) == 0x0d000024 && first - 1 <= 8 && second <= 9) {
    return (5 << 24) | (first * 10 + second);
  }
  if ((head & 0xff00ff) == 0x0d0024 && first <= 9) return (4 << 24) | first;
  return longerHead(at);
}

/** The same for 3 to 7 digits. */
function longerHead(at: usize): u32 {
  let length = <u32>load<u8>(at, 1) - 48;
  if (load<u8>(at) != 36 || length - 1 > 8) return 0;
  for (let index: u32 = 2; index <= 8; index++) {
    const digit = <u32>load<u8>(at + index) - 48;
    if (digit > 9) return digit == <u32>(13 - 48) ? ((index + 2) << 24) | length : 0;
    if (index < 8) length = length * 10 + digit;
  }
  return 0;
}

/** Whether a run may begin here: two arguments or three, the first of three letters. */
// @ts-ignore: decorator
@inline
export function mayRun(thread: Thread): bool {
  const start = load<u64>(thread.position);
  return start == FRAME_OF_TWO || start == FRAME_OF_THREE;
}

/** Executes a run at `thread.position`; false: the command there goes the general way. */
export function executeRun(thread: Thread): bool {
  if (connectionOf(thread).checkpoint != 0) return false;
  const commands = readRun(thread);
  if (commands == 0) return false;
  if (commands > 1 && header().usedUnits > TOUCH_UNITS) touchRun(thread, commands);
  return runCommands(thread, commands) != 0;
}

/** Reads commands ahead and takes the shards of writes; returns how many they are. */
function readRun(thread: Thread): u32 {
  const end = <usize>thread.end;
  const keyMax = header().keyBytesMax;
  const valueMax = header().valueBytesMax;
  let at = <usize>thread.position;
  let count: u32 = 0;
  while (count < RUN_COMMANDS && at + SHORTEST <= end) {
    const start = load<u64>(at);
    const name = load<u64>(at, 8) & NAME_MASK;
    const isSet = start == FRAME_OF_THREE && name == (NAME_SET | LINE_BREAK);
    if (!isSet && (start != FRAME_OF_TWO || name != (NAME_GET | LINE_BREAK))) break;
    const keyHead = bulkHead(at + 13);
    const length = keyHead & 0xffffff;
    const key = at + 13 + (keyHead >> 24);
    // Lengths are compared with what is there: an address plus a length may not fit 32 bits.
    if (keyHead == 0 || length > keyMax || key > end || length + 2 > end - key) break;
    let next = key + length + 2;
    let value: usize = 0;
    let bytes: u32 = 0;
    if (isSet) {
      if (next + 6 > end) break;
      const valueHead = bulkHead(next);
      bytes = valueHead & 0xffffff;
      value = next + (valueHead >> 24);
      if (valueHead == 0 || bytes > valueMax || value > end || bytes + 2 > end - value) break;
      next = value + bytes + 2;
    }
    const shard = shardOfSlot(slotOf(key, length));
    if (isSet && (refusesOf(shard) != 0 || !mayTake(thread, shard))) break;
    const entry = entryAt(thread, count++);
    entry.hash = hashKey(key, length);
    entry.key = <u32>key;
    entry.length = length;
    entry.value = <u32>value;
    entry.bytes = bytes;
    entry.shard = <u32>addressOfShard(shard);
    entry.next = <u32>next;
    at = next;
  }
  return count;
}

// @ts-ignore: decorator
@inline
function mayTake(thread: Thread, shard: Shard): bool {
  if (!holds(thread, shard)) return open(thread, shard);
  // A careful read may hold it, and that asks less.
  return !thread.careful || mayWrite(shard);
}

// @ts-ignore: decorator
@inline
function open(thread: Thread, shard: Shard): bool {
  if (leadershipOf(shard) & 1 || !mayWrite(shard)) return false;
  return tryOpen(thread, shard) == LOCKED;
}

// @ts-ignore: decorator
@inline
function shardOf(entry: Entry): Shard {
  return changetype<Shard>(<usize>entry.shard);
}

/** Side that a command looks into: this thread may read it till the end of its section. */
// @ts-ignore: decorator
@inline
function sideOfEntry(thread: Thread, shard: Shard): Side {
  return sideOf(shard, holds(thread, shard) ? hiddenSide(shard) : visibleSide(shard));
}

/** Loads what the commands will look at, one thing of all of them after the other. */
function touchRun(thread: Thread, commands: u32): void {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < commands; index++) {
    const entry = entryAt(thread, index);
    const table = tableOf(sideOfEntry(thread, shardOf(entry)), entry.hash);
    entry.place = <u32>addressOfTable(table);
    sum += table.groups;
  }
  for (let index: u32 = 0; index < commands; index++) {
    const entry = entryAt(thread, index);
    sum += load<u8>(homeControl(tableAt(entry.place), entry.hash));
  }
  for (let index: u32 = 0; index < commands; index++) {
    const entry = entryAt(thread, index);
    const table = tableAt(entry.place);
    const slot = candidate(table, entry.hash);
    entry.place = <u32>slot;
    if (slot == 0) {
      if (entry.value != 0) sum += touchOpen(shardOf(entry), table, entry.hash);
      continue;
    }
    sum += load<u32>(slot);
    if (entry.value != 0) sum += touchOther(shardOf(entry), table, entry.hash, slot);
  }
  for (let index: u32 = 0; index < commands; index++) {
    const entry = entryAt(thread, index);
    if (entry.place == 0) continue;
    const record = <usize>load<u32>(entry.place);
    // A record of the usual size may cross into a second line. It may be another key's, a shorter one.
    sum += load<u32>(record) + load<u8>(record + 12 + min<u32>(entry.length, 64));
  }
  thread.touched = sum;
}

/** The slot of the other side that the replay will change: mostly at the same place. */
// @ts-ignore: decorator
@inline
function touchOther(shard: Shard, table: Table, hash: u64, slot: usize): u32 {
  const other = tableOf(sideOf(shard, visibleSide(shard)), hash);
  if (other.groups != table.groups) return 0;
  return load<u32>(addressOfTable(other) + (slot - addressOfTable(table)));
}

/** The slots that a new key will take on both sides. */
// @ts-ignore: decorator
@inline
function touchOpen(shard: Shard, table: Table, hash: u64): u32 {
  const slot = openSlot(table, hash);
  const other = openSlot(tableOf(sideOf(shard, visibleSide(shard)), hash), hash);
  return (slot == 0 ? 0 : load<u32>(slot)) + (other == 0 ? 0 : load<u32>(other));
}

/** Executes commands in order; returns how many. `thread.position` and `thread.out` follow. */
function runCommands(thread: Thread, commands: u32): u32 {
  let gets: u32 = 0;
  let sets: u32 = 0;
  let out = <usize>thread.out;
  const limit = <usize>thread.outLimit - REPLY_ROOM;
  for (let index: u32 = 0; index < commands; index++) {
    if (out > limit) break;
    const entry = entryAt(thread, index);
    const shard = shardOf(entry);
    if (entry.value == 0) {
      const end = get(thread, shard, entry, out);
      if (end == 0) break;
      out = end;
      gets++;
    } else {
      if (!set(thread, shard, entry)) break;
      store<u32>(out, 0x0d4b4f2b);
      store<u8>(out, 10, 4);
      out += 5;
      sets++;
    }
    thread.position = entry.next;
    if (shouldPublish(thread)) break;
  }
  thread.out = <u32>out;
  if (gets != 0) addCalls(thread, CMD_GET, gets);
  if (sets != 0) addCalls(thread, CMD_SET, sets);
  thread.commands += gets + sets;
  return gets + sets;
}

// @ts-ignore: decorator
@inline
function addCalls(thread: Thread, command: i32, calls: u32): void {
  const counter = counterOf(thread, command);
  store<u64>(counter, load<u64>(counter) + calls);
}

/** Answers at `out` and returns the answer's end; 0: not here. */
// @ts-ignore: decorator
@inline
function get(thread: Thread, shard: Shard, entry: Entry, out: usize): usize {
  const leadership = leadershipOf(shard);
  if (leadership & 1) return 0;
  if (thread.careful && shard.replicated && !holds(thread, shard)) return 0;
  const slot = search(sideToRead(thread, shard), entry.hash, entry.key, entry.length);
  let end = out;
  if (slot == 0) {
    end += writeNull(thread, out);
  } else {
    const record = <usize>load<u32>(slot);
    if (!isInline(record) || isExpired(record, thread.nowMs)) return 0;
    touch(record, thread.accessClock);
    if (PAUSE_READERS && !holds(thread, shard)) pauseReader(thread);
    end += writeBulk(out, cellOf(record), inlineLength(record));
  }
  return mayAnswer(thread, shard, leadership) ? end : 0;
}

// @ts-ignore: decorator
@inline
function set(thread: Thread, shard: Shard, entry: Entry): bool {
  if (leadershipOf(shard) & 1) return false;
  const key = <usize>entry.key;
  const length = entry.length;
  const slot = findForWriting(shard, entry.hash, key, length);
  const record = makeValue(thread, key, length, entry.value, entry.bytes, -1);
  const sequence = shard.sequence + 1;
  if (record == 0 || !put(thread, shard, entry.hash, slot, record, sequence, false)) return false;
  shard.sequence = sequence;
  return true;
}
