/**
 * Size classes over runs. Who frees knows the size (a record's header, a table's groups tell it), so
 * an allocation has no header of its own.
 *
 * A class takes its memory in slabs; a slab counts its objects and goes back to the runs when the
 * last one is freed, so that memory of one class serves another. Each thread keeps a small magazine
 * of free objects for each class: allocating and freeing touch no shared line until it runs empty or
 * over. Objects may be freed by another thread than the one that allocated them.
 *
 * Steps: 4 bytes up to 128, then eighths of a power of two up to 32 KiB, then whole runs.
 */
import { POISON_FREED } from '../generated/constants';
import {
  header,
  KIND_BUFFERS,
  KIND_INDEX,
  magazineOf,
  partialHead,
  Thread,
  UNIT_BITS,
  UNIT_BYTES,
} from '../layout';
import { allocateRun, freeRun, lockAllocator, mapEntry, unlockAllocator } from './runs';

const SMALL_MAX: u32 = 128;
const CLASSED_MAX: u32 = 32768;
/** 8 KiB of objects, but no more than so many. */
const PORTION_MAX: u32 = 64;

@unmanaged
class Slab {
  next: u32;
  previous: u32;
  /** Objects that were given back. */
  free: u32;
  /** First byte never given out. */
  bump: u32;
  used: u32;
  end: u32;
  sizeClass: u32;
  /** 1 while in the list of slabs with room. */
  listed: u32;
}

// @ts-ignore: decorator
@inline
export function classOf(size: u32): i32 {
  if (size <= SMALL_MAX) return size <= 8 ? 2 : <i32>((size + 3) >> 2);
  const last = size - 1;
  const power = 31 - clz(last);
  return <i32>(33 + ((power - 7) << 3) + ((last - (1 << power)) >> (power - 3)));
}

// @ts-ignore: decorator
@inline
export function classBytes(sizeClass: i32): u32 {
  if (sizeClass <= 32) return <u32>sizeClass << 2;
  const index = <u32>sizeClass - 33;
  const power = 7 + (index >> 3);
  return (1 << power) + (((index & 7) + 1) << (power - 3));
}

// @ts-ignore: decorator
@inline
function slabUnits(bytes: u32): u32 {
  return bytes <= 4096 ? 16 : 64;
}

/** Objects that move between a magazine and the slabs at once. */
// @ts-ignore: decorator
@inline
function portion(bytes: u32): u32 {
  // Most objects are small, and a division takes longer than all else here.
  if (bytes <= SMALL_MAX) return PORTION_MAX;
  return max<u32>(1, min<u32>(PORTION_MAX, 8192 / bytes));
}

/** What an allocation of `size` really takes. */
// @ts-ignore: decorator
@inline
export function grossBytes(size: u32): u32 {
  if (size <= SMALL_MAX) return size <= 8 ? 8 : (size + 3) & ~3;
  return grossLarge(size);
}

function grossLarge(size: u32): u32 {
  if (size <= CLASSED_MAX) return classBytes(classOf(size));
  return (size + <u32>UNIT_BYTES - 1) & ~(<u32>UNIT_BYTES - 1);
}

// @ts-ignore: decorator
@inline
function count(thread: Thread, kind: i32, bytes: i64): void {
  if (kind == KIND_INDEX) thread.indexBytes += bytes;
  else if (kind == KIND_BUFFERS) thread.bufferBytes += bytes;
  else thread.recordBytes += bytes;
}

/** Memory of at least `size` bytes, or 0. `must`: see runs.ts. */
export function allocate(thread: Thread, size: u32, kind: i32, must: bool): usize {
  if (size > CLASSED_MAX) {
    const units = (size + <u32>UNIT_BYTES - 1) >> UNIT_BITS;
    lockAllocator();
    const run = allocateRun(units, must);
    unlockAllocator();
    if (run != 0) count(thread, kind, <i64>units << UNIT_BITS);
    return run;
  }
  const sizeClass = classOf(size);
  const magazine = magazineOf(thread, sizeClass);
  let object: usize = load<u32>(magazine);
  if (object == 0) {
    refill(magazine, sizeClass, must);
    object = load<u32>(magazine);
    if (object == 0) return 0;
  }
  store<u32>(magazine, load<u32>(object));
  store<u32>(magazine, load<u32>(magazine, 4) - 1, 4);
  count(thread, kind, classBytes(sizeClass));
  return object;
}

export function free(thread: Thread, address: usize, size: u32, kind: i32): void {
  if (POISON_FREED) memory.fill(address, 0xdd, size);
  if (size > CLASSED_MAX) {
    const units = (size + <u32>UNIT_BYTES - 1) >> UNIT_BITS;
    lockAllocator();
    freeRun(address, units);
    unlockAllocator();
    count(thread, kind, -(<i64>units << UNIT_BITS));
    return;
  }
  const sizeClass = classOf(size);
  const bytes = classBytes(sizeClass);
  const magazine = magazineOf(thread, sizeClass);
  const held = load<u32>(magazine, 4) + 1;
  store<u32>(address, load<u32>(magazine));
  store<u32>(magazine, <u32>address);
  store<u32>(magazine, held, 4);
  count(thread, kind, -<i64>bytes);
  if (held > portion(bytes) << 1) release(magazine, held - portion(bytes));
}

/** Gives all that the thread's magazines hold back to the slabs. */
export function flushMagazines(thread: Thread, classes: i32): void {
  for (let sizeClass = 0; sizeClass < classes; sizeClass++) {
    const magazine = magazineOf(thread, sizeClass);
    release(magazine, load<u32>(magazine, 4));
  }
}

function refill(magazine: usize, sizeClass: i32, must: bool): void {
  const bytes = classBytes(sizeClass);
  const wanted = portion(bytes);
  let first: usize = 0;
  let last: usize = 0;
  let taken: u32 = 0;
  lockAllocator();
  while (taken < wanted) {
    let slab = changetype<Slab>(<usize>load<u32>(partialHead(sizeClass)));
    if (changetype<usize>(slab) == 0) {
      // A new slab only for need, not to fill the magazine to the brim.
      if (taken > 0) break;
      slab = makeSlab(sizeClass, must);
      if (changetype<usize>(slab) == 0) break;
    }
    let object: usize = slab.free;
    if (object != 0) {
      slab.free = load<u32>(object);
    } else {
      object = slab.bump;
      slab.bump += bytes;
    }
    slab.used++;
    taken++;
    if (last != 0) store<u32>(last, <u32>object);
    else first = object;
    last = object;
    if (slab.free == 0 && slab.bump + bytes > slab.end) unlist(slab);
  }
  unlockAllocator();
  if (last != 0) store<u32>(last, 0);
  store<u32>(magazine, <u32>first);
  store<u32>(magazine, taken, 4);
}

function release(magazine: usize, objects: u32): void {
  lockAllocator();
  for (let i: u32 = 0; i < objects; i++) {
    const object: usize = load<u32>(magazine);
    store<u32>(magazine, load<u32>(object));
    const slab = changetype<Slab>(<usize>load<u32>(mapEntry(object)) << UNIT_BITS);
    store<u32>(object, slab.free);
    slab.free = <u32>object;
    slab.used--;
    if (slab.used == 0) {
      if (slab.listed) unlist(slab);
      dropSlab(slab);
    } else if (!slab.listed) {
      list(slab);
    }
  }
  unlockAllocator();
  store<u32>(magazine, load<u32>(magazine, 4) - objects, 4);
}

function makeSlab(sizeClass: i32, must: bool): Slab {
  const bytes = classBytes(sizeClass);
  const units = slabUnits(bytes);
  const address = allocateRun(units, must);
  const slab = changetype<Slab>(address);
  if (address == 0) return slab;
  for (let unit: u32 = 0; unit < units; unit++) {
    store<u32>(mapEntry(address + (<usize>unit << UNIT_BITS)), <u32>(address >> UNIT_BITS));
  }
  slab.free = 0;
  slab.bump = <u32>address + 32;
  slab.end = <u32>address + (units << UNIT_BITS);
  slab.used = 0;
  slab.sizeClass = sizeClass;
  list(slab);
  return slab;
}

function dropSlab(slab: Slab): void {
  const address = changetype<usize>(slab);
  const units = slabUnits(classBytes(slab.sizeClass));
  for (let unit: u32 = 0; unit < units; unit++) {
    store<u32>(mapEntry(address + (<usize>unit << UNIT_BITS)), 0);
  }
  freeRun(address, units);
}

function list(slab: Slab): void {
  const head = partialHead(slab.sizeClass);
  const first = load<u32>(head);
  slab.next = first;
  slab.previous = 0;
  slab.listed = 1;
  if (first != 0) changetype<Slab>(<usize>first).previous = <u32>changetype<usize>(slab);
  store<u32>(head, <u32>changetype<usize>(slab));
}

function unlist(slab: Slab): void {
  if (slab.previous != 0) changetype<Slab>(<usize>slab.previous).next = slab.next;
  else store<u32>(partialHead(slab.sizeClass), slab.next);
  if (slab.next != 0) changetype<Slab>(<usize>slab.next).previous = slab.previous;
  slab.listed = 0;
}

/** Bytes that runs and slabs hold, free objects in slabs included. */
export function usedBytes(): f64 {
  return <f64>header().usedUnits * <f64>UNIT_BYTES;
}
