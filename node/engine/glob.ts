/** Glob patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^a]`, `\` escapes, on bytes. */

const star = 42;
const question = 63;
const open = 91;
const close = 93;
const caret = 94;
const dash = 45;
const backslash = 92;

/** Whether `text` matches `pattern`. Takes time proportional to their product at worst. */
export function matchesGlob(pattern: Uint8Array, text: Uint8Array): boolean {
  let p = 0;
  let t = 0;
  // Where the last star was, and how much of the text it has taken: only that one is ever retried.
  let starAt = -1;
  let taken = 0;
  while (t < text.length) {
    if (pattern[p] === star) {
      starAt = p++;
      taken = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] ?? 0) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (pattern[p] === star) p++;
  return p >= pattern.length;
}

/** Position behind the pattern element at `p` if it matches the byte, else -1. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  const first = pattern[p];
  if (first === question) return p + 1;
  if (first === open) return matchClass(pattern, p + 1, byte);
  if (first === backslash && p + 1 < pattern.length) return pattern[p + 1] === byte ? p + 2 : -1;
  return first === byte ? p + 1 : -1;
}

/** A class that is not closed ends with the pattern, as in Redis. */
function matchClass(pattern: Uint8Array, start: number, byte: number): number {
  let p = start;
  const negated = pattern[p] === caret;
  if (negated) p++;
  let found = false;
  while (p < pattern.length && pattern[p] !== close) {
    if (pattern[p] === backslash && p + 1 < pattern.length) {
      p++;
      if (pattern[p] === byte) found = true;
      p++;
    } else if (pattern[p + 1] === dash && p + 2 < pattern.length) {
      const from = pattern[p] ?? 0;
      const to = pattern[p + 2] ?? 0;
      if (byte >= Math.min(from, to) && byte <= Math.max(from, to)) found = true;
      p += 3;
    } else {
      if (pattern[p] === byte) found = true;
      p++;
    }
  }
  const end = p < pattern.length ? p + 1 : p;
  return found === negated ? -1 : end;
}
