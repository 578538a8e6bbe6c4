/* Just enough of gRPC over HTTP/2 to load etcd: unary Put and Range on one connection, many at once.
 *
 * The server's headers are not decoded. A call that succeeds has a message before its trailers, one that
 * fails has none: that is how they are told apart. Messages that don't fit one DATA frame are refused: answers here are small. */
#ifndef ETCD_H
#define ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum frame_type { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8 };
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FRAME_HEADER = 9 };
/* What a request takes beside key and value, at most; and what begins a connection. */
enum { ETCD_HEADER_BYTES_MAX = 256, H2_WINDOW = 1 << 30 };

enum etcd_call { ETCD_PUT, ETCD_RANGE };

struct h2 {
  uint32_t calls;     /* made so far: call n is stream 2n + 1 */
  uint32_t received;  /* bytes of DATA since the window was last opened */
  long send_window;
};

struct frame {
  enum frame_type type;
  unsigned flags;
  uint32_t stream;
  const unsigned char *payload;
  uint32_t length;
};

static inline char *put_u32(char *out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = (char)(value >> shift);
  return out;
}

static inline char *put_frame(char *out, uint32_t length, enum frame_type type, unsigned flags, uint32_t stream) {
  *out++ = (char)(length >> 16);
  *out++ = (char)(length >> 8);
  *out++ = (char)length;
  *out++ = (char)type;
  *out++ = (char)flags;
  return put_u32(out, stream);
}

static inline char *put_window_update(char *out, uint32_t bytes) {
  return put_u32(put_frame(out, 4, WINDOW_UPDATE, 0, 0), bytes);
}

static inline char *h2_begin(char *out, struct h2 *h2) {
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  *h2 = (struct h2){.send_window = 65535};
  memcpy(out, preface, sizeof preface - 1);
  out = put_frame(out + sizeof preface - 1, 0, SETTINGS, 0, 0);
  return put_window_update(out, H2_WINDOW);
}

static inline char *put_literal(char *out, const char *text) {
  *out++ = (char)strlen(text);
  memcpy(out, text, strlen(text));
  return out + strlen(text);
}

/* The first call of a connection enters three headers into the table; the others name their places in it. */
static inline char *put_headers(char *out, bool first, enum etcd_call call) {
  *out++ = (char)0x83; /* :method POST */
  *out++ = (char)0x86; /* :scheme http */
  *out++ = 0x04;       /* :path, not entered */
  out = put_literal(out, call == ETCD_PUT ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range");
  if (!first) {
    memcpy(out, "\xc0\xbf\xbe", 3);
    return out + 3;
  }
  *out++ = 0x41; /* :authority */
  out = put_literal(out, "localhost");
  *out++ = 0x5f; /* content-type */
  out = put_literal(out, "application/grpc");
  *out++ = 0x40;
  return put_literal(put_literal(out, "te"), "trailers");
}

static inline char *put_varint(char *out, uint32_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = (char)(value | 0x80);
  *out++ = (char)value;
  return out;
}

static inline uint32_t varint_bytes(uint32_t value) {
  uint32_t bytes = 1;
  while ((value >>= 7) != 0) bytes++;
  return bytes;
}

/* A Put of `value_length` bytes or a Range of one key. `*value` is where the value's bytes have to be written. */
static inline char *put_call(char *out, struct h2 *h2, enum etcd_call call, const char *key, uint32_t key_length,
                             uint32_t value_length, char **value) {
  uint32_t stream = 2 * h2->calls + 1;
  char *headers = out + FRAME_HEADER;
  char *end = put_headers(headers, h2->calls++ == 0, call);
  put_frame(out, (uint32_t)(end - headers), HEADERS, FLAG_END_HEADERS, stream);
  uint32_t message = 1 + varint_bytes(key_length) + key_length;
  if (call == ETCD_PUT) message += 1 + varint_bytes(value_length) + value_length;
  out = put_frame(end, 5 + message, DATA, FLAG_END_STREAM, stream);
  h2->send_window -= 5 + message;
  *out++ = 0; /* not compressed */
  out = put_u32(out, message);
  *out++ = 0x0a;
  out = put_varint(out, key_length);
  memcpy(out, key, key_length);
  out += key_length;
  if (call == ETCD_RANGE) return out;
  *out++ = 0x12;
  out = put_varint(out, value_length);
  *value = out;
  return out + value_length;
}

/* The frame at `in`; its length, or 0: not all there yet. */
static inline size_t read_frame(const char *in, size_t available, struct frame *frame) {
  const unsigned char *at = (const unsigned char *)in;
  if (available < FRAME_HEADER) return 0;
  frame->length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
  if (available < FRAME_HEADER + frame->length) return 0;
  frame->type = (enum frame_type)at[3];
  frame->flags = at[4];
  frame->stream = ((uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8]) & 0x7fffffff;
  frame->payload = at + FRAME_HEADER;
  return FRAME_HEADER + frame->length;
}

/* What a frame that is not about one call asks to be sent; `out` if nothing. */
static inline char *answer_frame(char *out, struct h2 *h2, const struct frame *frame) {
  const unsigned char *in = frame->payload;
  switch (frame->type) {
    case DATA:
      h2->received += frame->length;
      if (h2->received < H2_WINDOW / 2) return out;
      out = put_window_update(out, h2->received);
      h2->received = 0;
      return out;
    case SETTINGS:
      return frame->flags & FLAG_ACK ? out : put_frame(out, 0, SETTINGS, FLAG_ACK, 0);
    case PING:
      if (frame->flags & FLAG_ACK) return out;
      out = put_frame(out, frame->length, PING, FLAG_ACK, 0);
      memcpy(out, in, frame->length);
      return out + frame->length;
    case WINDOW_UPDATE:
      if (frame->stream == 0 && frame->length == 4)
        h2->send_window += (long)((uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3]);
      return out;
    default:
      return out;
  }
}

/* A field of a protobuf message that has bytes; NULL if it has none of that number. */
static inline const unsigned char *find_field(const unsigned char *in, size_t length, uint32_t wanted, size_t *found) {
  const unsigned char *end = in + length;
  while (in < end) {
    uint64_t numbers[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
      for (unsigned shift = 0; in < end && shift < 64; shift += 7) {
        numbers[i] |= (uint64_t)(*in & 0x7f) << shift;
        if ((*in++ & 0x80) == 0) break;
      }
    }
    if ((numbers[0] & 7) == 0) continue;
    if ((numbers[0] & 7) != 2 || numbers[1] > (uint64_t)(end - in)) return NULL;
    if (numbers[0] >> 3 == wanted) {
      *found = (size_t)numbers[1];
      return in;
    }
    in += numbers[1];
  }
  return NULL;
}

/* The value in the message of a DATA frame that answers a Range; NULL: the key is not there. */
static inline const unsigned char *etcd_value(const struct frame *frame, size_t *length) {
  if (frame->length < 5) return NULL;
  const unsigned char *pair = find_field(frame->payload + 5, frame->length - 5, 2, length);
  return pair == NULL ? NULL : find_field(pair, *length, 5, length);
}

#endif
