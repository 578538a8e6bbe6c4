/* Requests and replies of the text protocols. A reply is compared with the only right one, byte by byte. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdio.h>

#include "etcd.h"
#include "workload.h"

enum protocol { RESP, MEMCACHED, ETCD };
enum { REPLY_MORE = 0, REPLY_WRONG = -1, HEADER_BYTES_MAX = 96 };

struct shape {
  enum protocol protocol;
  uint32_t value_bytes;
};

/* Bytes that one request takes at most. */
static inline size_t request_bytes_max(const struct shape *shape) {
  size_t header = shape->protocol == ETCD ? ETCD_HEADER_BYTES_MAX : HEADER_BYTES_MAX;
  return header + KEY_BYTES + shape->value_bytes;
}

static inline char *put(char *out, const char *text) {
  size_t length = strlen(text);
  memcpy(out, text, length);
  return out + length;
}

static inline char *put_key(char *out, uint32_t number) {
  write_key(out, number);
  return out + KEY_BYTES;
}

static inline char *put_number(char *out, uint32_t number) {
  char digits[10];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

static inline char *put_get(char *out, const struct shape *shape, uint32_t number) {
  if (shape->protocol == RESP) {
    out = put(out, "*2\r\n$3\r\nGET\r\n$16\r\n");
    return put(put_key(out, number), "\r\n");
  }
  return put(put_key(put(out, "get "), number), "\r\n");
}

static inline char *put_set(char *out, const struct shape *shape, uint32_t number, unsigned salt) {
  if (shape->protocol == RESP) {
    out = put_key(put(out, "*3\r\n$3\r\nSET\r\n$16\r\n"), number);
    out = put(put_number(put(out, "\r\n$"), shape->value_bytes), "\r\n");
  } else {
    out = put(put_key(put(out, "set "), number), " 0 0 ");
    out = put(put_number(out, shape->value_bytes), "\r\n");
  }
  write_value(out, shape->value_bytes, number, salt);
  return put(out + shape->value_bytes, "\r\n");
}

/* Is `text` what stands at `in`, as far as `available` bytes tell? Its length, or MORE, or WRONG. */
static inline long match(const char *in, size_t available, const char *text, size_t length) {
  size_t compared = available < length ? available : length;
  if (memcmp(in, text, compared) != 0) return REPLY_WRONG;
  return available < length ? REPLY_MORE : (long)length;
}

/* Length of the right reply to a SET at `in`; REPLY_MORE: not all there yet; REPLY_WRONG. */
static inline long match_set(const char *in, size_t available, const struct shape *shape) {
  const char *right = shape->protocol == RESP ? "+OK\r\n" : "STORED\r\n";
  return match(in, available, right, strlen(right));
}

/* The same for a WAIT: all that were asked for, no fewer. */
static inline long match_wait(const char *in, size_t available, unsigned replicas) {
  char right[16];
  char *end = put(put_number(put(right, ":"), replicas), "\r\n");
  return match(in, available, right, (size_t)(end - right));
}

/* The same for a GET of a key that is there. `salt` < 0 accepts the value of any run. */
static inline long match_get(const char *in, size_t available, const struct shape *shape,
                             uint32_t number, int salt) {
  char header[HEADER_BYTES_MAX];
  char *end = header;
  if (shape->protocol == RESP) {
    end = put(put_number(put(end, "$"), shape->value_bytes), "\r\n");
  } else {
    end = put(put_key(put(end, "VALUE "), number), " 0 ");
    end = put(put_number(end, shape->value_bytes), "\r\n");
  }
  size_t before = (size_t)(end - header);
  long found = match(in, available, header, before);
  if (found <= 0) return found;
  if (available < before + shape->value_bytes) return REPLY_MORE;
  if (!value_is(in + before, shape->value_bytes, number, salt)) return REPLY_WRONG;
  const char *tail = shape->protocol == RESP ? "\r\n" : "\r\nEND\r\n";
  size_t at = before + shape->value_bytes;
  found = match(in + at, available - at, tail, strlen(tail));
  return found <= 0 ? found : (long)at + found;
}

/* What the right reply looks like, for a message. */
static inline void describe_right(char *out, size_t size, const struct shape *shape, bool set,
                                  uint32_t number, int salt) {
  if (set) {
    snprintf(out, size, "%s", shape->protocol == RESP ? "+OK" : "STORED");
    return;
  }
  char value[33] = {0};
  uint32_t shown = shape->value_bytes < 32 ? shape->value_bytes : 32;
  write_value(value, shown, number, salt < 0 ? 0 : (unsigned)salt);
  snprintf(out, size, "%u bytes \"%s%s\"%s", shape->value_bytes, value,
           shown < shape->value_bytes ? "..." : "", salt < 0 ? " (or another run's)" : "");
}

#endif
