/**
 * Copies and comparisons of short byte strings. `memory.copy` is a call out of WebAssembly in today's
 * engines (10 to 20 ns), so short strings move in registers.
 */

/** Copies exactly `length` bytes. */
// @ts-ignore: decorator
@inline
export function copyBytes(to: usize, from: usize, length: u32): void {
  if (length >= 16) {
    if (length > 512) {
      memory.copy(to, from, length);
      return;
    }
    const last = <usize>length - 16;
    const tail = v128.load(from + last);
    for (let at: usize = 0; at < last; at += 16) v128.store(to + at, v128.load(from + at));
    v128.store(to + last, tail);
  } else if (length >= 8) {
    const tail = load<u64>(from + length - 8);
    store<u64>(to, load<u64>(from));
    store<u64>(to + length - 8, tail);
  } else if (length >= 4) {
    const tail = load<u32>(from + length - 4);
    store<u32>(to, load<u32>(from));
    store<u32>(to + length - 4, tail);
  } else if (length > 0) {
    const middle = load<u8>(from + (length >> 1));
    const tail = load<u8>(from + length - 1);
    store<u8>(to, load<u8>(from));
    store<u8>(to + (length >> 1), middle);
    store<u8>(to + length - 1, tail);
  }
}

/** Copies in steps of 16 bytes: may write up to 15 bytes more than `length`, where the caller has slack. */
// @ts-ignore: decorator
@inline
export function copyWithSlack(to: usize, from: usize, length: u32): void {
  if (length > 512) {
    memory.copy(to, from, length);
    return;
  }
  for (let at: usize = 0; at < <usize>length; at += 16) v128.store(to + at, v128.load(from + at));
}

// @ts-ignore: decorator
@inline
export function equalBytes(a: usize, b: usize, length: u32): bool {
  if (length >= 16) {
    const last = <usize>length - 16;
    for (let at: usize = 0; at < last; at += 16) {
      if (v128.any_true(v128.xor(v128.load(a + at), v128.load(b + at)))) return false;
    }
    return !v128.any_true(v128.xor(v128.load(a + last), v128.load(b + last)));
  }
  if (length >= 8) {
    return (
      ((load<u64>(a) ^ load<u64>(b)) | (load<u64>(a + length - 8) ^ load<u64>(b + length - 8))) == 0
    );
  }
  if (length >= 4) {
    return (
      ((load<u32>(a) ^ load<u32>(b)) | (load<u32>(a + length - 4) ^ load<u32>(b + length - 4))) == 0
    );
  }
  for (let at: u32 = 0; at < length; at++) {
    if (load<u8>(a + at) != load<u8>(b + at)) return false;
  }
  return true;
}
