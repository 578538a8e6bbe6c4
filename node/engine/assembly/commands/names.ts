/** Command names and option words as numbers, and the table that finds a command by its name. */
import { COMMAND_ENTRY_BYTES, COMMAND_TABLE, COMMAND_TABLE_ENTRIES, Thread } from '../layout';

/** Letters without their case bit. */
const UPPER: u64 = 0xdfdfdfdfdfdfdfdf;

// @ts-ignore: decorator
@inline
export function argumentAt(thread: Thread, index: u32): usize {
  return load<u32>(<usize>thread.argv + (<usize>index << 3));
}
// @ts-ignore: decorator
@inline
export function argumentLength(thread: Thread, index: u32): u32 {
  return load<u32>(<usize>thread.argv + (<usize>index << 3), 4);
}

/** The first 8 letters of a word, upper case, padded with zeros. */
// @ts-ignore: decorator
@inline
export function lettersOf(from: usize, length: u32): u64 {
  const letters = load<u64>(from) & UPPER;
  return length >= 8 ? letters : letters & (((<u64>1) << (<u64>length << 3)) - 1);
}

/** Zeros and spaces look like padding: a word that ends in one is none of ours. */
// @ts-ignore: decorator
@inline
function endsInLetter(word: usize, length: u32): bool {
  return (load<u8>(word + length - 1) & 0xdf) >= 65;
}

/** An option word of at most 8 letters as a number; 0: longer than any. */
export function optionAt(thread: Thread, index: u32): u64 {
  const length = argumentLength(thread, index);
  const word = argumentAt(thread, index);
  return length == 0 || length > 8 || !endsInLetter(word, length) ? 0 : lettersOf(word, length);
}

// @ts-ignore: decorator
@inline
function placeOf(low: u64, high: u64): u32 {
  return <u32>(((low ^ (high * 31)) * 0x9e3779b97f4a7c15) >> 48) & (COMMAND_TABLE_ENTRIES - 1);
}

// An entry: letters 1 to 8, letters 9 to 16, number + 1 (u16), arity (i16), runs here (u32).
export function defineCommand(command: u32, low: u64, high: u64, arity: i32, here: u32): void {
  let place = placeOf(low, high);
  let entry = COMMAND_TABLE + <usize>place * COMMAND_ENTRY_BYTES;
  while (load<u16>(entry, 16) != 0) {
    place = (place + 1) & (COMMAND_TABLE_ENTRIES - 1);
    entry = COMMAND_TABLE + <usize>place * COMMAND_ENTRY_BYTES;
  }
  store<u64>(entry, low);
  store<u64>(entry, high, 8);
  store<u16>(entry, <u16>(command + 1), 16);
  store<i16>(entry, <i16>arity, 18);
  store<u32>(entry, here, 20);
}

/** Entry of the command named by the first argument, or 0. */
export function findCommand(thread: Thread): usize {
  const length = argumentLength(thread, 0);
  if (length == 0 || length > 16) return 0;
  const name = argumentAt(thread, 0);
  if (!endsInLetter(name, length)) return 0;
  const low = lettersOf(name, length);
  const high = length > 8 ? lettersOf(name + 8, length - 8) : 0;
  let place = placeOf(low, high);
  while (true) {
    const entry = COMMAND_TABLE + <usize>place * COMMAND_ENTRY_BYTES;
    if (load<u16>(entry, 16) == 0) return 0;
    if (load<u64>(entry) == low && load<u64>(entry, 8) == high) return entry;
    place = (place + 1) & (COMMAND_TABLE_ENTRIES - 1);
  }
}
