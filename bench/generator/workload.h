/* Keys and values that anybody can compute again, so that every reply can be checked in full.
 *
 * A key is "key:" and 12 digits: 16 bytes, as redis-benchmark writes them.
 * A value starts with one byte of salt; the rest follows from the key's number and the salt. A reader
 * thus checks a value without knowing which run wrote it, and a run that wrote checks its own salt. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { KEY_BYTES = 16, SALTS = 64 };

static inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

struct random {
  uint64_t state;
};

/* Uniform below `bound`, which must be under 2^32. */
static inline uint32_t random_below(struct random *random, uint64_t bound) {
  random->state ^= random->state << 13;
  random->state ^= random->state >> 7;
  random->state ^= random->state << 17;
  return (uint32_t)(((random->state >> 32) * bound) >> 32);
}

static inline void write_key(char *out, uint32_t number) {
  memcpy(out, "key:000000000000", KEY_BYTES);
  for (char *at = out + KEY_BYTES - 1; number != 0; number /= 10) *at-- = (char)('0' + number % 10);
}

/* Eight printable bytes, '0' to 'o': six random bits in each, so that nothing compresses well. */
static inline uint64_t value_block(uint64_t seed, uint32_t block) {
  return (mix(seed + block) & 0x3f3f3f3f3f3f3f3full) + 0x3030303030303030ull;
}

static inline uint64_t value_seed(uint32_t number, unsigned salt) {
  return mix(((uint64_t)salt << 32) | number);
}

static inline void write_value(char *out, uint32_t length, uint32_t number, unsigned salt) {
  uint64_t seed = value_seed(number, salt);
  uint32_t at = 0;
  for (uint32_t block = 0; at < length; block++, at += 8) {
    uint64_t bytes = value_block(seed, block);
    memcpy(out + at, &bytes, length - at < 8 ? length - at : 8);
  }
  if (length > 0) out[0] = (char)('0' + salt);
}

/* Is this the value of key `number`, written with any salt (`salt` < 0) or this one? */
static inline bool value_is(const char *in, uint32_t length, uint32_t number, int salt) {
  if (length == 0) return true;
  unsigned found = (unsigned char)in[0] - (unsigned)'0';
  if (found >= SALTS || (salt >= 0 && found != (unsigned)salt)) return false;
  uint64_t seed = value_seed(number, found);
  uint32_t at = 0;
  for (uint32_t block = 0; at < length; block++, at += 8) {
    uint64_t expected = value_block(seed, block);
    uint64_t bytes = expected;
    memcpy(&bytes, in + at, length - at < 8 ? length - at : 8);
    uint64_t difference = bytes ^ expected;
    if (block == 0) difference &= ~0xffull; /* the salt (little-endian machines only; asserted) */
    if (difference != 0) return false;
  }
  return true;
}

#endif
