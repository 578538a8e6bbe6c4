/**
 * r_db's storage engine: what JavaScript calls. Start with layout.ts (where things lie), then
 * twin/shard.ts (how a write travels), twin/sections.ts (how readers are counted), twin/record.ts and
 * twin/table.ts (what is stored), resp/execute.ts (how a chunk of commands runs).
 *
 * There is no clock, no randomness, no network in here: times and seeds are arguments.
 */
import { ARGUMENTS_INLINE_MAX } from './generated/constants';
import { defineCommand } from './commands/names';
import {
  awaitShard,
  beginRedirect,
  endRedirect,
  makeControlBlocks,
  publishControl,
} from './control';
import {
  counterOf,
  exchangeWindow,
  GATHERED_MAX,
  gatheredList,
  Header,
  header,
  inlineArguments,
  inputWindow,
  KIND_BUFFERS,
  KIND_INDEX,
  layoutHolds,
  outputWindow,
  SIZE_CLASSES,
  Thread,
  threadAt,
  THREAD_STRIDE,
  THREADS,
  UNIT_BITS,
} from './layout';
import { allocate, flushMagazines, free, usedBytes } from './memory/allocator';
import { makeCrcTables, slotOf } from './memory/hash';
import { hasSpace } from './memory/runs';
import { executeOperations } from './operations';
import { loadAhead as loadChunksAhead } from './resp/ahead';
import { executeChunk, setTime } from './resp/execute';
import { Connection } from './resp/parse';
import { dropPieces } from './resp/pieces';
import { cutShard } from './cut';
import { scanShard } from './scan';
import { sweepReports, sweepShard } from './sweep';
import { dropSide, makeSide } from './twin/directory';
import { dropBlob } from './twin/record';
import { applyPiece, applyWhole, beginApply, endApply, giveUpApply, noteRemovals } from './twin/apply';
import { goOnEncoding } from './twin/effects';
import { commitFrozen, replicate, rollbackGathered, sealGathered } from './twin/gather';
import {
  addressOfShard,
  DROPPING,
  EXISTS,
  Shard,
  shardAt,
  shardLayoutHolds,
  sideOf,
  STATE_SWAPPED,
} from './twin/shard';
import { tryLock, unlock } from './twin/lock';
import { finish, LOG_ENTRIES_KEPT, reserveLog } from './twin/twin';
import { dropRecords } from './twin/drop';

const FRESH: u32 = 0;
const SETTING_UP: u32 = 1;
const READY: u32 = 2;
const CONNECTION_BYTES: u32 = 32;

// ── The arena ──

/** Lays the arena out. False: somebody did or does. The caller then writes texts and commands. */
export function setUp(
  reservedBytes: u32,
  budgetBytes: f64,
  threads: u32,
  shards: u32,
  keyBytesMax: u32,
  valueBytesMax: u32,
  seed: u64,
): bool {
  if (atomic.cmpxchg<u32>(64, FRESH, SETTING_UP) != FRESH) return false;
  if (!layoutHolds() || !shardLayoutHolds()) unreachable();
  const arena = header();
  arena.threads = threads;
  arena.shards = shards;
  arena.keyBytesMax = keyBytesMax;
  arena.valueBytesMax = valueBytesMax;
  const map = THREADS + (<usize>threads + 1) * THREAD_STRIDE;
  const mapBytes = (<usize>reservedBytes >> UNIT_BITS) << 2;
  arena.mapStart = <u32>map;
  arena.heapStart = (<u32>(map + mapBytes) + 65535) & ~65535;
  arena.top = arena.heapStart;
  // Some bytes are left at the end: short strings are compared and copied in steps of 16 bytes.
  arena.heapEnd = (reservedBytes - 4096) & ~4095;
  arena.budgetUnits = <u32>(budgetBytes / 4096);
  // The seed spread over four odd words (splitmix64).
  let state = seed;
  for (let index: usize = 0; index < 4; index++) {
    state += 0x9e3779b97f4a7c15;
    let word = state;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    store<u64>(64 + offsetof<Header>('secret0') + (index << 3), word ^ (word >> 31) | 1);
  }
  makeCrcTables();
  makeControlBlocks();
  for (let id: u32 = 0; id <= threads; id++) {
    const thread = threadAt(id);
    thread.id = id;
    thread.argv = <u32>inlineArguments(thread);
    thread.argvCapacity = ARGUMENTS_INLINE_MAX;
  }
  return true;
}

export { defineCommand };

export function markReady(): void {
  atomic.store<u32>(64, READY);
}
export function isReady(): bool {
  return atomic.load<u32>(64) == READY;
}
/** Bytes that an arena needs before its first record. */
export function fixedBytes(reservedBytes: f64, threads: u32): f64 {
  return <f64>(THREADS + (<usize>threads + 1) * THREAD_STRIDE) + reservedBytes / 1024 + 65536;
}

// ── A thread ──

export function threadAddress(id: u32): u32 {
  return <u32>changetype<usize>(threadAt(id));
}
export function inputAddress(id: u32): u32 {
  return <u32>inputWindow(threadAt(id));
}
export function outputAddress(id: u32): u32 {
  return <u32>outputWindow(threadAt(id));
}
/** Address of the first register; their order is the one of `Thread`. */
export function registersAddress(id: u32): u32 {
  return <u32>changetype<usize>(threadAt(id)) + <u32>offsetof<Thread>('consumed');
}
export function argumentCount(id: u32): u32 {
  return threadAt(id).argc;
}
export function argumentsAddress(id: u32): u32 {
  return threadAt(id).argv;
}

export function openConnection(id: u32): u32 {
  const address = allocate(threadAt(id), CONNECTION_BYTES, KIND_BUFFERS, false);
  if (address == 0) return 0;
  memory.fill(address, 0, CONNECTION_BYTES);
  changetype<Connection>(address).protocol = 2;
  return <u32>address;
}
export function closeConnection(id: u32, connection: u32): void {
  const thread = threadAt(id);
  dropPieces(thread, changetype<Connection>(<usize>connection));
  free(thread, connection, CONNECTION_BYTES, KIND_BUFFERS);
}
export function setProtocol(connection: u32, version: u32): void {
  changetype<Connection>(<usize>connection).protocol = version;
}

/** READONLY and READWRITE. */
export function setReadOnly(connection: u32, readOnly: bool): void {
  changetype<Connection>(<usize>connection).readOnly = readOnly ? 1 : 0;
}
/** All that the connection wrote is committed or taken back. */
export function settleConnection(connection: u32): void {
  changetype<Connection>(<usize>connection).unresolved = 0;
}

export function execute(
  id: u32,
  connection: u32,
  start: u32,
  end: u32,
  outputStart: u32,
  nowMs: f64,
  monotonicMs: f64,
): i32 {
  const thread = threadAt(id);
  setTime(thread, nowMs, monotonicMs);
  return executeChunk(thread, connection, start, end, outputStart);
}

/** Addresses of chunks and of the last one's end, u32 each, at `starts`; see resp/ahead.ts. */
export function loadAhead(id: u32, starts: u32, chunks: u32): void {
  loadChunksAhead(threadAt(id), starts, chunks);
}

/** Operations in [start, end); see operations.ts. Several calls may be one to JavaScript: `beginReport`. */
export function batch(id: u32, start: u32, end: u32, nowMs: f64, monotonicMs: f64): i32 {
  const thread = threadAt(id);
  setTime(thread, nowMs, monotonicMs);
  return executeOperations(thread, start, end);
}

export function scan(
  id: u32,
  shard: u32,
  cursor: u64,
  keysMax: u32,
  bytesMax: u32,
  withValues: bool,
  nowMs: f64,
  monotonicMs: f64,
): i32 {
  const thread = threadAt(id);
  setTime(thread, nowMs, monotonicMs);
  return scanShard(thread, shard, cursor, keysMax, bytesMax, withValues);
}
export function scanCursor(id: u32): u64 {
  return threadAt(id).scanCursor;
}

// ── Buffers ──

/** The bytes of the allocation stand 8 before the buffer. */
export function allocateBuffer(id: u32, bytes: u32): u32 {
  if (bytes > 0xf0000000) return 0;
  const address = allocate(threadAt(id), bytes + 24, KIND_BUFFERS, false);
  if (address == 0) return 0;
  store<u32>(address, bytes + 24);
  return <u32>address + 8;
}
export function freeBuffer(id: u32, address: u32): void {
  free(threadAt(id), address - 8, load<u32>(address - 8), KIND_BUFFERS);
}
export function unpin(id: u32, address: u32): void {
  dropBlob(threadAt(id), address);
}

// ── Shards ──

/** 1: it is there; 0: no memory; -1: the copy before it is not dropped to its end. */
export function createShard(id: u32, shardId: u32): i32 {
  const thread = threadAt(id);
  const shard = shardAt(shardId);
  if (shard.exists == EXISTS) return 1;
  if (shard.exists == DROPPING) return -1;
  if (!makeSide(thread, sideOf(shard, 0))) return 0;
  if (!makeSide(thread, sideOf(shard, 1))) {
    dropSide(thread, sideOf(shard, 0));
    return 0;
  }
  if (!reserveLog(thread, shard, LOG_ENTRIES_KEPT, false)) {
    dropSide(thread, sideOf(shard, 0));
    dropSide(thread, sideOf(shard, 1));
    return 0;
  }
  shard.exists = EXISTS;
  return 1;
}
export function dropShard(id: u32, shardId: u32, recordsMax: u32): i32 {
  return dropRecords(threadAt(id), shardAt(shardId), recordsMax);
}
export function publish(
  shard: u32,
  role: u32,
  epoch: f64,
  generation: f64,
  readUntilMs: f64,
  writable: u32,
  refuses: u32,
  replicaReadable: bool,
): void {
  publishControl(shard, role, epoch, generation, readUntilMs, writable, refuses, replicaReadable);
}
export function shardAddress(shard: u32): u32 {
  return <u32>addressOfShard(shardAt(shard));
}
export function listen(shard: u32): u32 {
  return awaitShard(shardAt(shard), true);
}
export function isQuiet(shard: u32): bool {
  const base = addressOfShard(shardAt(shard));
  return atomic.load<u32>(base + offsetof<Shard>('mutex')) == 0;
}
export { beginRedirect, endRedirect };

// ── Replication: twin/gather.ts, effects.ts, apply.ts ──

/** What is gathered from now on is told together. */
export function beginReport(id: u32): void {
  const thread = threadAt(id);
  thread.gathered = 0;
  thread.careful = 0;
}
export function gatheredCount(id: u32): u32 {
  return threadAt(id).gathered;
}
export function gatheredAddress(id: u32): u32 {
  return <u32>gatheredList(threadAt(id));
}
export function gatheredMax(): u32 {
  return GATHERED_MAX;
}
export function setReplicated(id: u32, shard: u32, replicated: bool): bool {
  return replicate(threadAt(id), shardAt(shard), replicated);
}
export function seal(id: u32, shard: u32): i32 {
  return sealGathered(threadAt(id), shardAt(shard));
}
export function commit(id: u32, shard: u32): bool {
  return commitFrozen(threadAt(id), shardAt(shard));
}
export function rollback(id: u32, shard: u32): bool {
  return rollbackGathered(threadAt(id), shardAt(shard));
}
export function batchOf(shard: u32): u32 {
  return shardAt(shard).batch;
}
export function exchangeAddress(id: u32): u32 {
  return <u32>exchangeWindow(threadAt(id));
}
/** Address of the first register of an exchange; their order is the one of `Thread`. */
export function exchangeRegisters(id: u32): u32 {
  return <u32>changetype<usize>(threadAt(id)) + <u32>offsetof<Thread>('exchangeEnd');
}
/** The next effects of a sealed batch into the window. */
export function encode(id: u32, shard: u32): void {
  goOnEncoding(threadAt(id), shardAt(shard));
}
/** Applies a whole content that lies in the window: one call instead of three. */
export function applyContent(id: u32, shard: u32, length: u32): i32 {
  return applyWhole(threadAt(id), shardAt(shard), length);
}
/** Whether the address space has room for so many bytes beyond the budget. */
export function hasSpaceFor(bytes: f64): bool {
  return hasSpace(bytes);
}
export function applyBegin(id: u32, shard: u32): i32 {
  return beginApply(threadAt(id), shardAt(shard));
}
export function apply(id: u32, shard: u32, length: u32, behind: u32, must: bool): i32 {
  return applyPiece(threadAt(id), shardAt(shard), length, behind, must);
}
export function fillAddress(id: u32): u32 {
  return threadAt(id).fill;
}
export function fillBytes(id: u32): u32 {
  return threadAt(id).fillBytes;
}
/** Effects applied by a thread: only differences tell something. */
export function effectsOf(id: u32): u32 {
  return threadAt(id).effects;
}
export function removals(shard: u32, first: u64, last: u64, sequence: u64): void {
  noteRemovals(shardAt(shard), first, last, sequence);
}
export function applyEnd(id: u32, shard: u32, sequence: u64): void {
  endApply(threadAt(id), shardAt(shard), sequence);
}
export function applyGiveUp(id: u32, shard: u32): void {
  giveUpApply(threadAt(id), shardAt(shard));
}
export function cut(id: u32, shard: u32, cursor: u64, bytesMax: u32): bool {
  return cutShard(threadAt(id), shardAt(shard), cursor, bytesMax);
}
export function cutCursor(id: u32): u64 {
  return threadAt(id).exchangeCursor;
}

/** Expires what readers reported to this thread. */
export function sweepRing(id: u32, recordsMax: u32, nowMs: f64): u32 {
  const thread = threadAt(id);
  thread.nowMs = <i64>nowMs;
  return sweepReports(thread, recordsMax);
}
export function sweep(id: u32, shard: u32, recordsMax: u32, nowMs: f64): u32 {
  const thread = threadAt(id);
  thread.nowMs = <i64>nowMs;
  return sweepShard(thread, shard, recordsMax);
}
/** Replays a batch whose readers had not left when it was swapped, if they have by now. */
export function settleShard(id: u32, shardId: u32): void {
  const thread = threadAt(id);
  const shard = shardAt(shardId);
  if (shard.state != STATE_SWAPPED || !tryLock(thread, shard)) return;
  if (shard.state == STATE_SWAPPED) finish(thread, shard);
  unlock(shard);
}

// ── Statistics ──

export function keysOf(shard: u32): u32 {
  return shardAt(shard).keys;
}
export function bytesOf(shard: u32): f64 {
  return <f64>shardAt(shard).bytes;
}
/** Of what is committed. */
export function sequenceOf(shard: u32): u64 {
  return atomic.load<u64>(addressOfShard(shardAt(shard)) + offsetof<Shard>('committedSequence'));
}
export function expiringOf(shard: u32): u32 {
  return shardAt(shard).expiring;
}
export function usedMemory(): f64 {
  return usedBytes();
}
/** Bytes of a kind (layout.ts), all threads together. */
export function memoryOf(kind: i32): f64 {
  let bytes: i64 = 0;
  for (let id: u32 = 0; id <= header().threads; id++) {
    const thread = threadAt(id);
    if (kind == KIND_INDEX) bytes += thread.indexBytes;
    else if (kind == KIND_BUFFERS) bytes += thread.bufferBytes;
    else bytes += thread.recordBytes;
  }
  return <f64>bytes;
}
export function callsOf(command: i32): f64 {
  let calls: u64 = 0;
  for (let id: u32 = 0; id <= header().threads; id++) {
    calls += load<u64>(counterOf(threadAt(id), command));
  }
  return <f64>calls;
}
export function errorsOf(command: i32): f64 {
  let errors: u64 = 0;
  for (let id: u32 = 0; id <= header().threads; id++) {
    errors += load<u64>(counterOf(threadAt(id), command), 8);
  }
  return <f64>errors;
}
export function expiredKeys(): f64 {
  let expired: f64 = 0;
  for (let id: u32 = 0; id <= header().threads; id++) expired += threadAt(id).expired;
  return expired;
}
/** Gives this thread's spare objects back: before a thread ends, and for exact figures. */
export function flush(id: u32): void {
  flushMagazines(threadAt(id), SIZE_CLASSES);
}
export function slotOfKey(key: u32, length: u32): u32 {
  return slotOf(key, length);
}
