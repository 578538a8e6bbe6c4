/**
 * Where a key lives: key -> slot -> shard.
 *
 * The slot is Redis Cluster's own: CRC16 (XMODEM: polynomial 0x1021, start 0, no reflection) of the
 * key, or of its hash tag, modulo 16384. A shard is a contiguous range of slots; the ranges of a
 * cluster differ by at most one slot in length.
 */
import { SHARDS_MAX, SLOTS } from './limits.ts';

const TABLE = makeTable();
const OPEN = 0x7b;
const CLOSE = 0x7d;
const encoder = new TextEncoder();

/** A range of slots, both ends included. */
export interface SlotRange {
  readonly firstSlot: number;
  readonly lastSlot: number;
}

/** CRC16/XMODEM of the bytes from `start` up to, not including, `end`. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ entry(((crc >> 8) ^ byteAt(bytes, i)) & 0xff);
  }
  return crc;
}

/** Slot of a key; a string is taken as UTF-8. */
export function keyToSlot(key: Uint8Array | string): number {
  const bytes = typeof key === 'string' ? encoder.encode(key) : key;
  const { start, end } = hashedPart(bytes);
  return crc16(bytes, start, end) % SLOTS;
}

/**
 * The part of a key that is hashed: what stands between the first `{` and the first `}` after it,
 * if that is not empty; else the whole key.
 */
export function hashedPart(key: Uint8Array): { readonly start: number; readonly end: number } {
  const whole = { start: 0, end: key.length };
  const open = key.indexOf(OPEN);
  if (open < 0) return whole;
  const close = key.indexOf(CLOSE, open + 1);
  return close < 0 || close === open + 1 ? whole : { start: open + 1, end: close };
}

/** Shard that holds a slot: floor(slot * shards / 16384). */
export function slotToShard(slot: number, shards: number): number {
  assertShards(shards);
  if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS) {
    throw new RangeError(`slot ${slot} is not a whole number from 0 to ${SLOTS - 1}`);
  }
  return Math.floor((slot * shards) / SLOTS);
}

export function keyToShard(key: Uint8Array | string, shards: number): number {
  return slotToShard(keyToSlot(key), shards);
}

/** Slots of a shard: the inverse of `slotToShard`. */
export function shardToSlots(shard: number, shards: number): SlotRange {
  assertShards(shards);
  if (!Number.isInteger(shard) || shard < 0 || shard >= shards) {
    throw new RangeError(`shard ${shard} is not a whole number from 0 to ${shards - 1}`);
  }
  return {
    firstSlot: Math.ceil((shard * SLOTS) / shards),
    lastSlot: Math.ceil(((shard + 1) * SLOTS) / shards) - 1,
  };
}

function assertShards(shards: number): void {
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new RangeError(`a cluster has 1 to ${SHARDS_MAX} shards, not ${shards}`);
  }
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function entry(index: number): number {
  return TABLE[index] ?? 0;
}

function makeTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let index = 0; index < 256; index++) {
    let crc = index << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[index] = crc & 0xffff;
  }
  return table;
}
