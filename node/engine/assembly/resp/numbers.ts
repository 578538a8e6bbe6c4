/** Decimal integers as Redis reads and writes them. */

/** Number of decimal digits. */
// @ts-ignore: decorator
@inline
function digits(value: u64): u32 {
  let count: u32 = 1;
  let rest = value;
  while (rest >= 10000) {
    rest /= 10000;
    count += 4;
  }
  if (rest >= 1000) return count + 3;
  if (rest >= 100) return count + 2;
  return rest >= 10 ? count + 1 : count;
}

/** Writes an unsigned number, returns its length: at most 20 bytes. */
export function writeUnsigned(to: usize, value: u64): u32 {
  if (value < 10) {
    store<u8>(to, <u8>(48 + value));
    return 1;
  }
  if (value < 100) {
    const tens = <u32>value / 10;
    store<u8>(to, <u8>(48 + tens));
    store<u8>(to, <u8>(48 + <u32>value - tens * 10), 1);
    return 2;
  }
  const count = digits(value);
  let at = to + count;
  let rest = value;
  // 64-bit divisions are slow: leave them as soon as the rest fits 32 bits.
  while (rest > 0xffffffff) {
    const next = rest / 10;
    store<u8>(--at, <u8>(48 + <u32>(rest - next * 10)));
    rest = next;
  }
  let small = <u32>rest;
  while (small >= 10) {
    const next = small / 10;
    store<u8>(--at, <u8>(48 + small - next * 10));
    small = next;
  }
  store<u8>(--at, <u8>(48 + small));
  return count;
}

export function writeInteger(to: usize, value: i64): u32 {
  if (value >= 0) return writeUnsigned(to, <u64>value);
  store<u8>(to, 45);
  return 1 + writeUnsigned(to + 1, <u64>(-value));
}

/**
 * Whether the bytes are the canonical decimal form of a 64-bit integer (no sign but a minus, no
 * leading zero, no space), as Redis' string2ll takes it. The value then comes from `parsedInteger`.
 */
// @ts-ignore: decorator
@inline
export function isInteger(from: usize, length: u32): bool {
  // Most strings say by their first byte that they are none.
  const first = <u32>load<u8>(from);
  return (first - 48 <= 9 || first == 45) && isIntegerAt(from, length, first);
}

function isIntegerAt(from: usize, length: u32, first: u32): bool {
  if (length == 0 || length > 20) return false;
  const negative = first == 45;
  const start: u32 = negative ? 1 : 0;
  if (start == length) return false;
  const lead = <u32>load<u8>(from + start) - 48;
  if (lead > 9) return false;
  if (lead == 0) return length == 1;
  let value: u64 = lead;
  for (let at = start + 1; at < length; at++) {
    const digit = <u32>load<u8>(from + at) - 48;
    if (digit > 9) return false;
    if (value > 922337203685477580) return false;
    value = value * 10 + digit;
  }
  return value <= 9223372036854775807 + (negative ? <u64>1 : <u64>0);
}

/** The number that `isInteger` accepted. */
export function parsedInteger(from: usize, length: u32): i64 {
  const negative = load<u8>(from) == 45;
  let value: u64 = 0;
  for (let at: u32 = negative ? 1 : 0; at < length; at++) {
    value = value * 10 + (load<u8>(from + at) - 48);
  }
  return negative ? -(<i64>value) : <i64>value;
}
