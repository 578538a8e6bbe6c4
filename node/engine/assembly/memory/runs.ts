/**
 * Runs of 4 KiB units: what slabs, large values and buffers are made of.
 *
 * The map has a word for each unit. The first and the last unit of a free run say so, with its
 * length, so that a run that is freed finds free neighbours at once and joins them. The units of a
 * slab name the unit where it starts. Free runs hang in lists by the power of two of their length,
 * linked through their own first bytes. All of it is behind the allocator's lock, which is a leaf:
 * who holds it waits for nothing, so it may be taken anywhere.
 *
 * The budget counts units, because units are what stays resident. `must` is for what may not fail
 * any more (the replay of a published batch): such memory was set aside as `owedBytes` before.
 */
import { binHead, Header, header, RUN_BINS, UNIT_BITS, UNIT_BYTES } from '../layout';

const FREE: u32 = 0x80000000;
/** Units at the end of the address space for what must not fail: 4 MiB. */
const LAST_RESORT_UNITS: u32 = 1024;
/** Runs looked at in the bin that may hold too short ones. */
const LOOKS_MAX: i32 = 16;

export function lockAllocator(): void {
  const lock = 64 + offsetof<Header>('allocatorLock');
  let turns = 0;
  while (atomic.cmpxchg<u32>(lock, 0, 1) != 0) {
    // The holder never waits, but it may be descheduled: after a while give it the processor.
    if (++turns > 200) {
      atomic.wait<i32>(lock, 1, 20000);
      turns = 0;
    }
  }
}

export function unlockAllocator(): void {
  atomic.store<u32>(64 + offsetof<Header>('allocatorLock'), 0);
}

// @ts-ignore: decorator
@inline
export function mapEntry(address: usize): usize {
  return header().mapStart + ((address >> UNIT_BITS) << 2);
}

// @ts-ignore: decorator
@inline
function binOf(units: u32): i32 {
  return min(31 - <i32>clz(units), RUN_BINS - 1);
}

function link(address: usize, units: u32): void {
  const head = binHead(binOf(units));
  const first = load<u32>(head);
  store<u32>(address, first);
  store<u32>(address, 0, 4);
  store<u32>(address, units, 8);
  if (first != 0) store<u32>(first, <u32>address, 4);
  store<u32>(head, <u32>address);
  store<u32>(mapEntry(address), FREE | units);
  store<u32>(mapEntry(address + ((<usize>units - 1) << UNIT_BITS)), FREE | units);
}

function unlink(address: usize): void {
  const units = load<u32>(address, 8);
  const next = load<u32>(address);
  const previous = load<u32>(address, 4);
  if (previous != 0) store<u32>(previous, next);
  else store<u32>(binHead(binOf(units)), next);
  if (next != 0) store<u32>(next, previous, 4);
  store<u32>(mapEntry(address), 0);
  store<u32>(mapEntry(address + ((<usize>units - 1) << UNIT_BITS)), 0);
}

/** Whether so many units more fit into the budget, with what is owed to replays kept back. */
function affordable(units: u32): bool {
  const owed = atomic.load<u32>(64 + offsetof<Header>('owedBytes'));
  const owedUnits = (owed + <u32>UNIT_BYTES - 1) >> UNIT_BITS;
  return header().usedUnits + units + owedUnits <= header().budgetUnits;
}

/** Whether the address space has so many bytes more, those for what must not fail kept back. */
export function hasSpace(bytes: f64): bool {
  const units = (header().heapEnd - header().heapStart) >> UNIT_BITS;
  const taken = header().usedUnits + LAST_RESORT_UNITS;
  return <f64>taken + bytes / <f64>UNIT_BYTES <= <f64>units;
}

/** A run of `units` units, or 0. The caller holds the allocator's lock. */
export function allocateRun(units: u32, must: bool): usize {
  if (!must && !affordable(units)) return 0;
  let found: usize = 0;
  for (let bin = binOf(units); bin < RUN_BINS && found == 0; bin++) {
    let run: usize = load<u32>(binHead(bin));
    for (let looks = 0; run != 0 && looks < LOOKS_MAX; looks++) {
      if (load<u32>(run, 8) >= units) {
        found = run;
        break;
      }
      run = load<u32>(run);
    }
  }
  if (found != 0) {
    const rest = load<u32>(found, 8) - units;
    unlink(found);
    if (rest > 0) link(found + (<usize>units << UNIT_BITS), rest);
  } else {
    const top = header().top;
    const keep = must ? 0 : LAST_RESORT_UNITS;
    if ((header().heapEnd - top) >> UNIT_BITS < units + keep) return 0;
    found = top;
    header().top = top + (units << UNIT_BITS);
  }
  header().usedUnits += units;
  return found;
}

/** Gives a run back. The caller holds the allocator's lock. */
export function freeRun(address: usize, length: u32): void {
  let start = address;
  let units = length;
  header().usedUnits -= length;
  store<u32>(mapEntry(start), 0);
  store<u32>(mapEntry(start + ((<usize>units - 1) << UNIT_BITS)), 0);
  if (start > header().heapStart) {
    const before = load<u32>(mapEntry(start - UNIT_BYTES));
    if (before & FREE) {
      const extra = before & ~FREE;
      start -= <usize>extra << UNIT_BITS;
      unlink(start);
      units += extra;
    }
  }
  const end = start + (<usize>units << UNIT_BITS);
  if (end < header().top) {
    const after = load<u32>(mapEntry(end));
    if (after & FREE) {
      unlink(end);
      units += after & ~FREE;
    }
  }
  if (start + (<usize>units << UNIT_BITS) == header().top) header().top = <u32>start;
  else link(start, units);
}

