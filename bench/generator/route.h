/* Which server a key belongs to: slots as Redis Cluster computes them, ranges of them on several ports. */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16384, NODES_MAX = 16, NOWHERE = 255 };

struct route {
  int ports[NODES_MAX];
  int nodes;
  unsigned char node_of_slot[SLOTS];
};

/* CRC16 (XMODEM) of the whole key, modulo the slots; keys here have no {tag}. */
static inline uint32_t slot_of(const char *key, size_t length) {
  static uint16_t table[256];
  if (table[1] == 0) {
    for (unsigned i = 0; i < 256; i++) {
      uint16_t crc = (uint16_t)(i << 8);
      for (int bit = 0; bit < 8; bit++) crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
      table[i] = crc;
    }
  }
  uint16_t crc = 0;
  for (size_t i = 0; i < length; i++)
    crc = (uint16_t)(crc << 8 ^ table[(crc >> 8 ^ (unsigned char)key[i]) & 255]);
  return crc % SLOTS;
}

/* The node of a port, new if there is room; -1 if there is none. */
static inline int route_node(struct route *route, int port) {
  for (int i = 0; i < route->nodes; i++)
    if (route->ports[i] == port) return i;
  if (route->nodes == NODES_MAX) return -1;
  route->ports[route->nodes] = port;
  return route->nodes++;
}

/* "0-8191:7000,8192-16383:7001". False unless every slot has a port. */
static inline bool route_read(struct route *route, const char *text) {
  memset(route->node_of_slot, NOWHERE, sizeof route->node_of_slot);
  while (*text != 0) {
    char *end;
    unsigned long first = strtoul(text, &end, 10), last, port;
    if (*end != '-') return false;
    last = strtoul(end + 1, &end, 10);
    if (*end != ':') return false;
    port = strtoul(end + 1, &end, 10);
    if (last >= SLOTS || first > last || port < 1 || port > 65535) return false;
    int node = route_node(route, (int)port);
    if (node < 0 || (*end != 0 && *end != ',')) return false;
    memset(route->node_of_slot + first, node, last - first + 1);
    text = *end == ',' ? end + 1 : end;
  }
  return memchr(route->node_of_slot, NOWHERE, SLOTS) == NULL;
}

#endif
