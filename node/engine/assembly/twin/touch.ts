/**
 * Loads ahead for a copy that applies effects: where the data is larger than the caches, what the next
 * ones will look at is loaded pass by pass, one thing of all of them after the other, so that the waits
 * for memory overlap. As runs of commands do (resp/run.ts).
 */
import { header, RUN_COMMANDS, runEntries, Thread } from '../layout';
import { hashKey } from '../memory/hash';
import { tableOf } from './directory';
import { EFFECT_BYTES, EFFECT_EXPIRES } from './effects';
import { Shard, sideOf, visibleSide } from './shard';
import { addressOfTable, candidate, homeControl, openSlot, Table, tableAt } from './table';
import { hiddenSide } from './twin';

/** 4 KiB units of data from which on the caches do not hold what effects need. */
const TOUCH_UNITS: u32 = 256;
/** Of each effect: u64 hash, u32 table, then slot. */
const ENTRY_BYTES: usize = 16;

/** Touches what effects from `at` on need; returns the address up to which it looked. */
export function touchAhead(thread: Thread, shard: Shard, at: usize, end: usize): usize {
  if (header().usedUnits <= TOUCH_UNITS) return end;
  const entries = runEntries(thread);
  const hidden = sideOf(shard, hiddenSide(shard));
  let count: u32 = 0;
  let sum: u32 = 0;
  let next = at;
  while (count < RUN_COMMANDS && next + EFFECT_BYTES <= end) {
    const keyBytes = <u32>load<u8>(next, 1);
    const valueBytes = <u32>load<u16>(next, 2);
    const key = next + EFFECT_BYTES + (<u32>load<u8>(next) & EFFECT_EXPIRES ? 8 : 0);
    // Long ones are rare, and have other costs.
    if (keyBytes == 255 || valueBytes == 65535 || key + keyBytes > end) break;
    const hash = hashKey(key, keyBytes);
    const table = tableOf(hidden, hash);
    const entry = entries + <usize>count * ENTRY_BYTES;
    store<u64>(entry, hash);
    store<u32>(entry, <u32>addressOfTable(table), 8);
    sum += load<u8>(homeControl(table, hash));
    count++;
    next = key + keyBytes + valueBytes;
  }
  if (count < 2) return next == at ? end : next;
  const visible = sideOf(shard, visibleSide(shard));
  for (let index: u32 = 0; index < count; index++) {
    const entry = entries + <usize>index * ENTRY_BYTES;
    const hash = load<u64>(entry);
    const table = tableAt(load<u32>(entry, 8));
    const slot = candidate(table, hash);
    const other = tableOf(visible, hash);
    store<u32>(entry, <u32>slot, 12);
    if (slot != 0) sum += load<u32>(slot) + load<u32>(sameSlot(table, other, slot));
    else sum += openWord(table, hash) + openWord(other, hash);
  }
  for (let index: u32 = 0; index < count; index++) {
    const slot = <usize>load<u32>(entries + <usize>index * ENTRY_BYTES, 12);
    if (slot != 0) sum += load<u32>(load<u32>(slot));
  }
  thread.touched = sum;
  return next;
}

/** The slot at the same place of the other side's table, which the replay will change; else the slot itself. */
// @ts-ignore: decorator
@inline
function sameSlot(table: Table, other: Table, slot: usize): usize {
  return other.groups == table.groups ? addressOfTable(other) + (slot - addressOfTable(table)) : slot;
}

// @ts-ignore: decorator
@inline
function openWord(table: Table, hash: u64): u32 {
  const slot = openSlot(table, hash);
  return slot == 0 ? 0 : load<u32>(slot);
}
