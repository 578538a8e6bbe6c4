/**
 * The seeded hash of keys (in the manner of wyhash, with its multiplication for machines without a
 * 128-bit product) and the CRC16 that chooses a slot.
 *
 * How the 64 bits are used: the leading ones choose the table, the 32 that follow them the group, the
 * lowest 7 are the control byte. So tables, and groups in a table, lie in hash order: a scan's cursor
 * is a plain hash value, whatever the tables' shapes.
 */
import { CRC_TABLES, header } from '../layout';

// @ts-ignore: decorator
@inline
function mix(a: u64, b: u64): u64 {
  const hh = (a >> 32) * (b >> 32);
  const hl = (a >> 32) * (b & 0xffffffff);
  const lh = (a & 0xffffffff) * (b >> 32);
  const ll = (a & 0xffffffff) * (b & 0xffffffff);
  return rotl<u64>(hl, 32) ^ hh ^ rotl<u64>(lh, 32) ^ ll;
}

/** Hash of a key under the arena's secrets. */
// @ts-ignore: decorator
@inline
export function hashKey(key: usize, length: u32): u64 {
  const secrets = header();
  let a: u64;
  let b: u64;
  let seed = secrets.secret0;
  if (length <= 16) {
    if (length >= 8) {
      a = load<u64>(key);
      b = load<u64>(key + length - 8);
    } else if (length >= 4) {
      a = load<u32>(key);
      b = load<u32>(key + length - 4);
    } else if (length > 0) {
      a =
        (<u64>load<u8>(key) << 16) |
        (<u64>load<u8>(key + (length >> 1)) << 8) |
        load<u8>(key + length - 1);
      b = 0;
    } else {
      a = 0;
      b = 0;
    }
  } else {
    const last = key + length - 16;
    for (let at = key; at < last; at += 16) {
      seed = mix(load<u64>(at) ^ secrets.secret1, load<u64>(at, 8) ^ seed);
    }
    a = load<u64>(last);
    b = load<u64>(last, 8);
  }
  const first = mix(a ^ secrets.secret1, b ^ seed);
  return mix(first ^ secrets.secret2, secrets.secret3 ^ <u64>length);
}

/** CRC16 (XMODEM) of a string, eight bytes a step. */
// @ts-ignore: decorator
@inline
function crc16(from: usize, length: u32): u32 {
  let crc: u32 = 0;
  let at = from;
  let rest = length;
  while (rest >= 8) {
    // Table n is the CRC of a byte followed by n zero bytes.
    crc =
      <u32>load<u16>(CRC_TABLES + 3584 + (<usize>((crc >> 8) ^ load<u8>(at)) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 3072 + (<usize>((crc & 255) ^ load<u8>(at, 1)) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 2560 + (<usize>load<u8>(at, 2) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 2048 + (<usize>load<u8>(at, 3) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 1536 + (<usize>load<u8>(at, 4) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 1024 + (<usize>load<u8>(at, 5) << 1)) ^
      <u32>load<u16>(CRC_TABLES + 512 + (<usize>load<u8>(at, 6) << 1)) ^
      <u32>load<u16>(CRC_TABLES + (<usize>load<u8>(at, 7) << 1));
    at += 8;
    rest -= 8;
  }
  while (rest > 0) {
    crc =
      ((crc << 8) & 0xffff) ^
      <u32>load<u16>(CRC_TABLES + (<usize>((crc >> 8) ^ load<u8>(at)) << 1));
    at++;
    rest--;
  }
  return crc;
}

/** Slot of a key: of the part between the first `{` and the next `}` if there is one that is not empty. */
// @ts-ignore: decorator
@inline
export function slotOf(key: usize, length: u32): u32 {
  const open = find(key, length, 0x7b);
  if (open < length) return slotOfTagged(key, length, open);
  return crc16(key, length) & 16383;
}

function slotOfTagged(key: usize, length: u32, open: u32): u32 {
  const start = open + 1;
  const close = find(key + start, length - start, 0x7d);
  if (close == length - start || close == 0) return crc16(key, length) & 16383;
  return crc16(key + start, close) & 16383;
}

/** Position of the first `byte`, or `length`. Reads up to 15 bytes behind the string. */
// @ts-ignore: decorator
@inline
function find(from: usize, length: u32, byte: u8): u32 {
  const pattern = i8x16.splat(<i8>byte);
  for (let at: u32 = 0; at < length; at += 16) {
    const hits = i8x16.bitmask(i8x16.eq(v128.load(from + at), pattern));
    if (hits != 0) return min(length, at + ctz(hits));
  }
  return length;
}

/** Writes the eight tables of the CRC: by the set-up, once. */
export function makeCrcTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
    store<u16>(CRC_TABLES + (<usize>byte << 1), <u16>crc);
  }
  for (let table: usize = 1; table < 8; table++) {
    for (let byte: usize = 0; byte < 256; byte++) {
      const before = <u32>load<u16>(CRC_TABLES + (table - 1) * 512 + (byte << 1));
      const next =
        ((before << 8) & 0xffff) ^ <u32>load<u16>(CRC_TABLES + (<usize>(before >> 8) << 1));
      store<u16>(CRC_TABLES + table * 512 + (byte << 1), <u16>next);
    }
  }
}
