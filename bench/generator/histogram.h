/* Counts of durations in buckets 1/64 wide: percentiles within 1.6 %, in constant memory and time. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { SUB_BITS = 6, BUCKETS = (64 - SUB_BITS + 1) << SUB_BITS };

struct histogram {
  uint64_t counts[BUCKETS];
  uint64_t total;
  uint64_t sum_ns;
  uint64_t max_ns;
};

static inline void histogram_add(struct histogram *histogram, uint64_t ns) {
  int shift = ns < (1u << SUB_BITS) ? 0 : 63 - __builtin_clzll(ns) - SUB_BITS;
  /* The leading bit of ns >> shift counts as one more step of the exponent. */
  histogram->counts[((uint64_t)shift << SUB_BITS) + (ns >> shift)]++;
  histogram->total++;
  histogram->sum_ns += ns;
  if (ns > histogram->max_ns) histogram->max_ns = ns;
}

/* Upper edge of the bucket that holds the given share (0..1) of all durations; 0 without any. */
static inline uint64_t histogram_at(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)((double)histogram->total * share);
  uint64_t seen = 0;
  if (histogram->total == 0) return 0;
  for (uint64_t bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram->counts[bucket];
    if (seen <= wanted && seen != histogram->total) continue;
    uint64_t shift = bucket >> SUB_BITS;
    if (shift > 0) shift--;
    uint64_t edge = (((bucket - (shift << SUB_BITS)) + 1) << shift) - 1;
    return edge < histogram->max_ns ? edge : histogram->max_ns;
  }
  return histogram->max_ns;
}

#endif
