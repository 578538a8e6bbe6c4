/**
 * Read sections: how writers know who may still look at a side.
 *
 * Each thread has a counter on a cache line of its own: odd while it is inside. A reader announces
 * itself (an atomic addition, sequentially consistent) BEFORE it loads a side number. So for a writer
 * that has swapped and then reads the counter there are two cases: it sees the reader inside and
 * waits for it, or the reader came later and loads the new side number.
 *
 * A section covers a chunk of commands. Inside, a thread waits for nothing but the allocator's leaf
 * lock; every wait for a mutex or a drain is outside.
 */
import {
  BREAK_ANNOUNCE_LATE,
  BREAK_SKIP_DRAIN,
  SPIN_TURNS,
  WAIT_NANOSECONDS_MAX,
} from '../generated/constants';
import { header, SECTION_STRIDE, SECTIONS, snapshotOf, Thread } from '../layout';

/** Word beside the counter: 1 when a writer sleeps until this thread leaves. */
const SLEEPER: usize = 64;
/** A word that stays 0: test builds sleep on it. */
const PAUSE: usize = 96;
const PAUSE_NANOSECONDS: i64 = 100_000;

// @ts-ignore: decorator
@inline
function sectionOf(thread: u32): usize {
  return SECTIONS + <usize>thread * SECTION_STRIDE;
}

// @ts-ignore: decorator
@inline
export function enterSection(thread: Thread): void {
  if (thread.inside) return;
  thread.inside = 1;
  if (BREAK_ANNOUNCE_LATE) return;
  atomic.add<u32>(sectionOf(thread.id), 1);
}

/** Test builds only: the announcement at the wrong place, after the side was loaded. */
export function announceLate(thread: Thread): void {
  const section = sectionOf(thread.id);
  if (atomic.load<u32>(section) & 1) return;
  // As if the thread lost its processor just here.
  atomic.wait<i32>(section + PAUSE, 0, PAUSE_NANOSECONDS);
  atomic.add<u32>(section, 1);
}

/** Test builds only: every eighth look-up loses its processor while it holds a record. */
export function pauseReader(thread: Thread): void {
  if ((++thread.pauses & 7) == 0) {
    atomic.wait<i32>(sectionOf(thread.id) + PAUSE, 0, PAUSE_NANOSECONDS);
  }
}

// @ts-ignore: decorator
@inline
export function leaveSection(thread: Thread): void {
  if (!thread.inside) return;
  thread.inside = 0;
  const section = sectionOf(thread.id);
  if (BREAK_ANNOUNCE_LATE && !(atomic.load<u32>(section) & 1)) return;
  atomic.add<u32>(section, 1);
  if (atomic.load<u32>(section + SLEEPER) != 0) {
    atomic.store<u32>(section + SLEEPER, 0);
    atomic.notify(section, -1);
  }
}

/** Notes the counters of all other threads after a swap. */
export function takeSnapshot(thread: Thread): void {
  const threads = header().threads;
  const to = snapshotOf(thread);
  for (let other: u32 = 0; other <= threads; other++) {
    const counter = other == thread.id ? 0 : atomic.load<u32>(sectionOf(other));
    store<u32>(to + (<usize>other << 2), counter);
  }
}

/** Whether every thread that a snapshot found inside has left that section. */
export function hasDrained(snapshot: usize): bool {
  if (BREAK_SKIP_DRAIN) return true;
  const threads = header().threads;
  for (let other: u32 = 0; other <= threads; other++) {
    const seen = load<u32>(snapshot + (<usize>other << 2));
    if (seen & 1 && atomic.load<u32>(sectionOf(other)) == seen) return false;
  }
  return true;
}

/** Waits for the drain, outside of any section: spins briefly, then sleeps at most 1 ms. */
export function waitForDrain(snapshot: usize): bool {
  for (let turn: u32 = 0; turn < SPIN_TURNS; turn++) {
    if (hasDrained(snapshot)) return true;
  }
  const threads = header().threads;
  for (let other: u32 = 0; other <= threads; other++) {
    const seen = load<u32>(snapshot + (<usize>other << 2));
    const section = sectionOf(other);
    if (!(seen & 1) || atomic.load<u32>(section) != seen) continue;
    atomic.store<u32>(section + SLEEPER, 1);
    if (atomic.wait<i32>(section, seen, WAIT_NANOSECONDS_MAX) == 2) return false;
  }
  return hasDrained(snapshot);
}
