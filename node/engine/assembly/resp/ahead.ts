/**
 * Loads ahead what the commands of many connections will touch: of all chunks that one turn of the event loop
 * brought, before the first of them runs. A chunk with one command waits for memory about five times,
 * each time for what it found before; here every pass loads one thing for all of them, and the waits
 * overlap. Runs (run.ts) do the same inside one chunk; this is for chunks too short to have runs.
 *
 * Nothing is changed and nothing is decided: another thread may change a side meanwhile, so that
 * what is read means nothing. Therefore each address is held below the arena's end before it is
 * loaded from, and no section is entered.
 */
import { NAME_GET, TABLE_GROUPS_MAX } from '../generated/constants';
import { header, RUN_COMMANDS, RUN_ENTRY_BYTES, runEntries, Thread } from '../layout';
import { hashKey, slotOf } from '../memory/hash';
import { indexOf } from '../twin/directory';
import { Shard, shardOfSlot, sideOf, visibleSide } from '../twin/shard';
import { bytesOfTable, homeGroup, Table, tableAt } from '../twin/table';
import { TOUCH_UNITS } from './run';

/** Longer keys are not hashed twice. */
const KEY_BYTES_MAX: u32 = 256;
/** `\r\n$`, and `GET\r` whatever the case of its letters. */
const BULK: u32 = 0x240a0d;
const GET: u32 = <u32>NAME_GET | 0x0d000000;
const CASE: u32 = 0xffdfdfdf;

@unmanaged
class Ahead {
  hash: u64;
  length: u32;
  /** Side that is searched: 0 or 1. */
  side: u32;
  shard: u32;
  /** A write replays what it did on the other side. */
  writes: u32;
  place: u32;
  otherPlace: u32;
}

// @ts-ignore: decorator
@inline
function aheadAt(thread: Thread, index: u32): Ahead {
  return changetype<Ahead>(runEntries(thread) + <usize>index * RUN_ENTRY_BYTES);
}

/** `starts`: addresses of `chunks` chunks that lie one behind the other, and the last one's end. */
export function loadAhead(thread: Thread, starts: usize, chunks: u32): void {
  if (header().usedUnits <= TOUCH_UNITS) return;
  let index: u32 = 0;
  while (index < chunks) {
    let count: u32 = 0;
    while (index < chunks && count < RUN_COMMANDS) {
      const at = starts + (<usize>index << 2);
      index++;
      if (readAhead(aheadAt(thread, count), load<u32>(at), load<u32>(at, 4))) count++;
    }
    touchAhead(thread, count);
  }
}

/** Reads name and key of the first command in [start, end); false: no command with a key of usual length. */
function readAhead(entry: Ahead, start: usize, end: usize): bool {
  // `*3\r\n$3\r\nSET\r\n$1\r\nk`: up to 9 arguments, a name of up to 9 letters.
  if (start + 20 > end || load<u8>(start) != 42 || load<u32>(start, 1) >> 8 != BULK) return false;
  const nameLength = <u32>load<u8>(start, 5) - 48;
  if (nameLength > 9 || load<u16>(start, 6) != 0x0a0d) return false;
  const bulk = start + 8 + nameLength;
  if (bulk + 8 > end || (load<u32>(bulk) & 0xffffff) != BULK) return false;
  let length: u32 = 0;
  let at = bulk + 3;
  for (; at < end; at++) {
    const digit = <u32>load<u8>(at) - 48;
    if (digit > 9) break;
    length = length * 10 + digit;
    if (length > KEY_BYTES_MAX) return false;
  }
  at += 2;
  if (length == 0 || at > end || length > end - at) return false;
  const shard = shardOfSlot(slotOf(at, length));
  entry.hash = hashKey(at, length);
  entry.length = length;
  entry.shard = <u32>changetype<usize>(shard);
  entry.writes = nameLength != 3 || (load<u32>(start, 8) & CASE) != GET ? 1 : 0;
  entry.side = entry.writes ? 1 - visibleSide(shard) : visibleSide(shard);
  return true;
}

function touchAhead(thread: Thread, count: u32): void {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const entry = aheadAt(thread, index);
    entry.place = <u32>tableAhead(entry, entry.side);
    sum += load<u32>(entry.place);
    if (!entry.writes) continue;
    entry.otherPlace = <u32>tableAhead(entry, 1 - entry.side);
    sum += load<u32>(entry.otherPlace);
  }
  for (let index: u32 = 0; index < count; index++) {
    const entry = aheadAt(thread, index);
    sum += load<u8>(homeAhead(entry.place, entry.hash));
  }
  for (let index: u32 = 0; index < count; index++) {
    const entry = aheadAt(thread, index);
    const slot = slotAhead(entry.place, entry.hash);
    // A replay finds its slot where the other side had it, in a table of the same shape.
    if (entry.writes) sum += load<u32>(slot - entry.place + entry.otherPlace);
    entry.place = <u32>slot;
    sum += load<u32>(slot);
  }
  for (let index: u32 = 0; index < count; index++) {
    const entry = aheadAt(thread, index);
    const record = inArena(load<u32>(entry.place));
    // A record of the usual size may cross into a second line. It may be another key's, a shorter one.
    sum += load<u32>(record) + load<u8>(record + 12 + min<u32>(entry.length, 64));
  }
  thread.touched = sum;
}

/** Loads of up to 80 bytes from here on stay in the memory, whatever the address was. */
// @ts-ignore: decorator
@inline
function inArena(address: usize): usize {
  return min<usize>(address, header().heapEnd);
}

/** The table of a hash, or some place that could be one. */
// @ts-ignore: decorator
@inline
function tableAhead(entry: Ahead, number: u32): usize {
  const side = sideOf(changetype<Shard>(<usize>entry.shard), number);
  const place = side.tables + (<usize>indexOf(entry.hash, side.depth) << 2);
  const last = <usize>header().heapEnd - bytesOfTable(TABLE_GROUPS_MAX);
  return min<usize>(load<u32>(inArena(place)), last);
}

// @ts-ignore: decorator
@inline
function homeAhead(address: usize, hash: u64): usize {
  const table = tableAt(address);
  const group = homeGroup(hash, table.depth, groupsAhead(table));
  return address + bytesOfTable(0) + (<usize>group << 4);
}

/** The first slot of the home group with such a control byte, else one that a new key could take. */
// @ts-ignore: decorator
@inline
function slotAhead(address: usize, hash: u64): usize {
  const table = tableAt(address);
  const groups = groupsAhead(table);
  const group = homeGroup(hash, table.depth, groups);
  const controls = address + bytesOfTable(0);
  const control = v128.load(controls + (<usize>group << 4));
  const hits = i8x16.bitmask(i8x16.eq(control, i8x16.splat(<i8>(hash & 127))));
  const found = hits != 0 ? hits : i8x16.bitmask(control);
  const slots = controls + (<usize>groups << 4) + (<usize>group << 6);
  return slots + (<usize>(ctz(found) & 15) << 2);
}

// @ts-ignore: decorator
@inline
function groupsAhead(table: Table): u32 {
  return min<u32>(table.groups, TABLE_GROUPS_MAX);
}
