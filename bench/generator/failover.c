/* Writes all the time, at a rate, through whatever happens to the servers, and knows afterwards what must be there.
 *
 * Lanes: each writes rising numbers to a key of its own, one at a time. A write that failed or whose outcome is
 * unknown is followed by the next number, at another server if need be; redirects are followed. Lanes belong to groups (the shards of
 * a cluster); the longest time without an acknowledged write is told for each group.
 *
 * Orders come as lines on standard input, answers go as JSON lines to standard output:
 *   mark    forget the gaps so far
 *   report  gaps since then, and how long ago each group acknowledged a write
 *   check   stop writing, read every key back, compare, go on: an acknowledged number that is not there, nor a later one, is lost
 * Ends with standard input. Exit codes: 0; 2 wrong arguments; 4 the system failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "etcd.h"
#include "protocol.h"
#include "route.h"
#include "workload.h"

enum { MS = 1000000, SECOND_NS = 1000000000, EXIT_USAGE = 2, EXIT_SYSTEM = 4 };
enum { LANES_MAX = 4096, CONNECTIONS_MAX = 64, BUFFER = 1 << 20, EVENTS = 64, VALUE_BYTES = 16, UNKNOWNS = 64, RING_MAX = 1 << 17 };
/* Waits after a failure, and before connecting again: short against what is measured, long enough not to flood. */
enum { RETRY_NS = 5 * MS, RECONNECT_NS = 10 * MS, CHECK_NS_MAX = 2000000000 };

struct lane {
  char key[KEY_BYTES];
  int group, node;
  uint64_t number, acknowledged; /* tried last; known to be there */
  uint64_t unknowns[UNKNOWNS];   /* numbers that may be there, the last ones */
  uint32_t unknown_count;
  uint64_t due_ns;
  bool out, checked;
};

struct pending {
  int lane;
  uint64_t number, sent_ns;
  bool answered, done;
  char value[VALUE_BYTES + 1]; /* etcd: of a Range */
};

enum state { CLOSED, CONNECTING, OPEN };

struct connection {
  int fd, node;
  enum state state;
  bool wants_writable;
  uint64_t retry_ns;
  struct h2 h2;
  char *in, *out;
  size_t in_length, out_length;
  struct pending *pending; /* a ring: from the oldest request without answer on, also those that were answered before it */
  uint32_t first, count;
};

static struct {
  uint64_t last_ack_ns, gap_ns;
} groups[SLOTS];

static struct {
  bool etcd;
  struct route route;
  int groups, lanes, connections;
  double rate, patience;
} options = {.groups = 1, .lanes = 512, .connections = 4, .rate = 20000, .patience = 3};

static struct lane lanes[LANES_MAX];
static struct connection connections[CONNECTIONS_MAX];
static uint32_t ring;
static int connection_count, epoll_fd;
static uint64_t acknowledged, moved, failed, unknown, interval_ns, checking_until_ns;
static bool checking, ended;

static void fail(int code, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "failover: ");
  vfprintf(stderr, format, list);
  fprintf(stderr, "\n");
  va_end(list);
  exit(code);
}

static uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void watch(struct connection *connection, int operation, bool writable) {
  struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = connection};
  if (epoll_ctl(epoll_fd, operation, connection->fd, &event) != 0) fail(EXIT_SYSTEM, "epoll_ctl: %s", strerror(errno));
}

/* The lane's write failed; `node` < 0: try the same server again. `maybe`: it may have happened. */
static void give_up(struct lane *lane, uint64_t number, bool maybe, int node, uint64_t due_ns) {
  if (maybe && !checking) {
    unknown++;
    lane->unknowns[lane->unknown_count++ % UNKNOWNS] = number;
  }
  lane->out = false;
  lane->due_ns = due_ns;
  if (node >= 0) lane->node = node;
}

static void close_connection(struct connection *connection, uint64_t now_ns) {
  if (connection->state == CLOSED) return;
  close(connection->fd);
  connection->state = CLOSED;
  connection->retry_ns = now_ns + RECONNECT_NS;
  for (; connection->count > 0; connection->count--, connection->first++) {
    struct pending *request = &connection->pending[connection->first & (ring - 1)];
    struct lane *lane = &lanes[request->lane];
    if (request->done || !lane->out || lane->number != request->number) continue;
    give_up(lane, request->number, true, (connection->node + 1) % options.route.nodes, now_ns + RETRY_NS);
  }
}

static void open_connection(struct connection *connection, uint64_t now_ns) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.route.ports[connection->node]),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int yes = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connection->fd < 0) fail(EXIT_SYSTEM, "socket: %s", strerror(errno));
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  connection->in_length = connection->out_length = 0;
  connection->first = connection->count = 0;
  connection->retry_ns = now_ns + SECOND_NS;
  connection->state = CONNECTING;
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    close_connection(connection, now_ns);
    return;
  }
  if (options.etcd) connection->out_length = (size_t)(h2_begin(connection->out, &connection->h2) - connection->out);
  connection->wants_writable = true;
  watch(connection, EPOLL_CTL_ADD, true);
}

static void flush(struct connection *connection, uint64_t now_ns) {
  size_t sent = 0;
  while (sent < connection->out_length) {
    ssize_t count = send(connection->fd, connection->out + sent, connection->out_length - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) {
      close_connection(connection, now_ns);
      return;
    }
    sent += (size_t)count;
  }
  connection->out_length -= sent;
  memmove(connection->out, connection->out + sent, connection->out_length);
  bool waits = connection->out_length > 0;
  if (waits == connection->wants_writable) return;
  connection->wants_writable = waits;
  watch(connection, EPOLL_CTL_MOD, waits);
}

/* An open connection for the lane, at another server if its own has none. */
static struct connection *connection_of(int number) {
  struct lane *lane = &lanes[number];
  for (int turn = 0; turn < options.route.nodes; turn++) {
    int node = (lane->node + turn) % options.route.nodes;
    struct connection *connection = &connections[node * options.connections + number % options.connections];
    if (connection->state != OPEN || BUFFER - connection->out_length < 1024 || connection->count == ring) continue;
    lane->node = node;
    return connection;
  }
  return NULL;
}

static void issue(int number, uint64_t now_ns) {
  struct lane *lane = &lanes[number];
  struct connection *connection = connection_of(number);
  if (connection == NULL) {
    lane->due_ns = now_ns + RETRY_NS;
    return;
  }
  if (!checking) lane->number++;
  char *out = connection->out + connection->out_length, *value = NULL, text[VALUE_BYTES + 1];
  snprintf(text, sizeof text, "%016llx", (unsigned long long)lane->number);
  if (options.etcd) {
    out = put_call(out, &connection->h2, checking ? ETCD_RANGE : ETCD_PUT, lane->key, KEY_BYTES, VALUE_BYTES, &value);
    if (value != NULL) memcpy(value, text, VALUE_BYTES);
  } else {
    out = put(out, checking ? "*2\r\n$3\r\nGET\r\n$16\r\n" : "*3\r\n$3\r\nSET\r\n$16\r\n");
    memcpy(out, lane->key, KEY_BYTES);
    out = put(out + KEY_BYTES, "\r\n");
    if (!checking) out = put(put(put(out, "$16\r\n"), text), "\r\n");
  }
  connection->out_length = (size_t)(out - connection->out);
  connection->pending[(connection->first + connection->count++) & (ring - 1)] =
      (struct pending){.lane = number, .number = lane->number, .sent_ns = now_ns};
  lane->out = true;
}

static void acknowledge(struct lane *lane, uint64_t number, uint64_t now_ns) {
  uint64_t gap_ns = now_ns - groups[lane->group].last_ack_ns;
  acknowledged++;
  if (gap_ns > groups[lane->group].gap_ns) groups[lane->group].gap_ns = gap_ns;
  groups[lane->group].last_ack_ns = now_ns;
  if (number > lane->acknowledged) lane->acknowledged = number;
  if (!lane->out || lane->number != number) return; /* it was given up before */
  lane->out = false;
  lane->due_ns += interval_ns;
  if (lane->due_ns < now_ns) lane->due_ns = now_ns;
}

static uint64_t lost, ambiguous;

/* The value that a key has now; NULL: it has none. */
static void compare(struct lane *lane, const char *value) {
  uint64_t found = value == NULL ? 0 : strtoull(value, NULL, 16);
  lane->out = false;
  lane->checked = true;
  if (found >= lane->acknowledged) return;
  bool may_be = false;
  for (uint32_t i = 0; i < UNKNOWNS && i < lane->unknown_count; i++) may_be |= lane->unknowns[i] == found;
  if (may_be) ambiguous++;
  else lost += lane->acknowledged - found;
  lane->acknowledged = found;
}

/* One line of Redis' protocol answers the write or read of a lane, or says why not. */
static void on_line(const struct pending *request, const char *line, const char *value, uint64_t now_ns) {
  struct lane *lane = &lanes[request->lane];
  bool current = lane->out && lane->number == request->number;
  if (line[0] == '+') {
    acknowledge(lane, request->number, now_ns);
  } else if (line[0] == '$') {
    if (current && checking) compare(lane, value);
  } else if (current && strncmp(line, "-MOVED ", 7) == 0) {
    const char *colon = strrchr(line, ':');
    int port = colon == NULL ? 0 : atoi(colon + 1), node = lane->node;
    for (int i = 0; i < options.route.nodes; i++)
      if (options.route.ports[i] == port) node = i;
    moved++;
    give_up(lane, request->number, false, node, node == lane->node ? now_ns + RETRY_NS : now_ns);
  } else if (current) {
    failed++;
    give_up(lane, request->number, strncmp(line, "-UNKNOWN", 8) == 0, (lane->node + 1) % options.route.nodes,
            now_ns + RETRY_NS);
  }
}

static size_t receive_resp(struct connection *connection, uint64_t now_ns) {
  size_t at = 0;
  while (connection->count > 0) {
    char *line = connection->in + at;
    char *end = memmem(line, connection->in_length - at, "\r\n", 2);
    if (end == NULL) break;
    size_t length = (size_t)(end - line) + 2;
    const char *value = NULL;
    if (line[0] == '$' && line[1] != '-') {
      size_t bytes = strtoull(line + 1, NULL, 10);
      if (connection->in_length - at < length + bytes + 2) break;
      value = line + length;
      length += bytes + 2;
    }
    *end = 0;
    struct pending request = connection->pending[connection->first++ & (ring - 1)];
    connection->count--;
    on_line(&request, line, value, now_ns);
    at += length;
  }
  return at;
}

static void on_frame(struct connection *connection, const struct frame *frame, uint64_t now_ns) {
  uint32_t place = connection->count - (connection->h2.calls - (frame->stream - 1) / 2);
  struct pending *request = &connection->pending[(connection->first + place) & (ring - 1)];
  bool about_call = frame->type == DATA || frame->type == HEADERS || frame->type == RST_STREAM;
  if (about_call && place < connection->count) {
    if (frame->type == DATA && frame->length > 0) {
      size_t length = 0;
      const unsigned char *value = etcd_value(frame, &length);
      request->answered = true;
      if (value != NULL && length == VALUE_BYTES) memcpy(request->value, value, VALUE_BYTES);
    } else if (frame->type == RST_STREAM || (frame->flags & FLAG_END_STREAM) != 0) {
      struct lane *lane = &lanes[request->lane];
      bool current = lane->out && lane->number == request->number;
      request->done = true;
      if (request->answered && !checking) acknowledge(lane, request->number, now_ns);
      else if (request->answered && current) compare(lane, request->value[0] == 0 ? NULL : request->value);
      else if (current) {
        failed++;
        give_up(lane, request->number, true, (lane->node + 1) % options.route.nodes, now_ns + RETRY_NS);
      }
    }
    while (connection->count > 0 && connection->pending[connection->first & (ring - 1)].done) {
      connection->first++;
      connection->count--;
    }
  }
  char *out = connection->out + connection->out_length;
  connection->out_length = (size_t)(answer_frame(out, &connection->h2, frame) - connection->out);
}

static size_t receive_etcd(struct connection *connection, uint64_t now_ns) {
  struct frame frame;
  size_t at = 0;
  for (size_t length; (length = read_frame(connection->in + at, connection->in_length - at, &frame)) > 0; at += length) {
    if (frame.type == GOAWAY || BUFFER - connection->out_length < 1024) {
      close_connection(connection, now_ns);
      return connection->in_length;
    }
    on_frame(connection, &frame, now_ns);
  }
  return at;
}

static void on_event(struct connection *connection, uint32_t events, uint64_t now_ns) {
  if (connection->state == CLOSED) return;
  if (connection->state == CONNECTING && (events & EPOLLOUT) != 0) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      close_connection(connection, now_ns);
      return;
    }
    connection->state = OPEN;
    flush(connection, now_ns);
  }
  if ((events & ~(uint32_t)EPOLLOUT) != 0) {
    ssize_t got = recv(connection->fd, connection->in + connection->in_length, BUFFER - connection->in_length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      close_connection(connection, now_ns);
      return;
    }
    connection->in_length += (size_t)got;
    size_t used = options.etcd ? receive_etcd(connection, now_ns) : receive_resp(connection, now_ns);
    connection->in_length -= used;
    memmove(connection->in, connection->in + used, connection->in_length);
  }
  if (connection->state == OPEN && connection->out_length > 0) flush(connection, now_ns);
}

static void report(uint64_t now_ns) {
  printf("{\"acknowledged\":%llu,\"moved\":%llu,\"failed\":%llu,\"unknown\":%llu,\"groups\":[",
         (unsigned long long)acknowledged, (unsigned long long)moved, (unsigned long long)failed,
         (unsigned long long)unknown);
  for (int i = 0; i < options.groups; i++)
    printf("%s{\"gapMs\":%.1f,\"sinceMs\":%.1f}", i == 0 ? "" : ",", (double)groups[i].gap_ns / MS,
           (double)(now_ns - groups[i].last_ack_ns) / MS);
  printf("]}\n");
  fflush(stdout);
}

/* Writes that are out are answered or given up first: what they wrote is then read. */
static void end_check(uint64_t now_ns) {
  int unread = 0;
  for (int i = 0; i < options.lanes; i++) unread += !lanes[i].checked;
  if (unread > 0 && now_ns < checking_until_ns) return;
  printf("{\"lost\":%llu,\"ambiguous\":%llu,\"unread\":%d}\n", (unsigned long long)lost, (unsigned long long)ambiguous, unread);
  fflush(stdout);
  checking = false;
  for (int i = 0; i < options.lanes; i++) {
    lanes[i].out = false;
    lanes[i].due_ns = now_ns;
  }
  for (int i = 0; i < options.groups; i++) groups[i].last_ack_ns = now_ns;
}

static bool draining;

static void begin_check(uint64_t now_ns) {
  for (int i = 0; i < options.lanes; i++)
    if (lanes[i].out) return;
  draining = false;
  checking = true;
  lost = ambiguous = 0;
  checking_until_ns = now_ns + 10ull * CHECK_NS_MAX;
  for (int i = 0; i < options.lanes; i++) {
    lanes[i].checked = false;
    lanes[i].due_ns = now_ns;
  }
}

static void on_order(uint64_t now_ns) {
  static char text[256];
  static size_t length;
  ssize_t got = read(STDIN_FILENO, text + length, sizeof text - length - 1);
  if (got <= 0) {
    ended = true;
    return;
  }
  length += (size_t)got;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    if (strcmp(text, "mark") == 0)
      for (int i = 0; i < options.groups; i++) groups[i].gap_ns = 0;
    else if (strcmp(text, "report") == 0) report(now_ns);
    else if (strcmp(text, "check") == 0) draining = true;
    else fail(EXIT_USAGE, "%s is no order", text);
    length -= (size_t)(end + 1 - text);
    memmove(text, end + 1, length + 1);
  }
}

static void look_after_connections(uint64_t now_ns) {
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    if (connection->state == CLOSED && now_ns >= connection->retry_ns) open_connection(connection, now_ns);
    else if (connection->state == CONNECTING && now_ns >= connection->retry_ns) close_connection(connection, now_ns);
    if (connection->state != OPEN) continue;
    uint64_t since_ns = connection->count == 0 ? now_ns : connection->pending[connection->first & (ring - 1)].sent_ns;
    if (now_ns - since_ns > (uint64_t)(options.patience * SECOND_NS)) close_connection(connection, now_ns);
    else if (connection->out_length > 0) flush(connection, now_ns);
  }
}

static void run(void) {
  while (!ended) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll_fd, events, EVENTS, 1);
    uint64_t now_ns = clock_ns();
    for (int i = 0; i < ready; i++) {
      if (events[i].data.ptr == NULL) on_order(now_ns);
      else on_event(events[i].data.ptr, events[i].events, now_ns);
    }
    for (int i = 0; i < options.lanes; i++) {
      struct lane *lane = &lanes[i];
      if (!lane->out && lane->due_ns <= now_ns && !draining && !(checking && lane->checked)) issue(i, now_ns);
    }
    if (draining) begin_check(now_ns);
    if (checking) end_check(now_ns);
    look_after_connections(now_ns);
  }
}

/* Keys of the groups in turn: group g of G has the slots from g/G to (g+1)/G of all. */
static void choose_keys(uint64_t now_ns) {
  int wanted = options.lanes, found[SLOTS] = {0};
  for (uint32_t number = 0; wanted > 0; number++) {
    struct lane *lane = &lanes[options.lanes - wanted];
    write_key(lane->key, number);
    int group = (int)(slot_of(lane->key, KEY_BYTES) * (uint64_t)options.groups / SLOTS);
    if (found[group] >= (options.lanes + options.groups - 1) / options.groups) continue;
    found[group]++;
    lane->group = group;
    lane->node = (options.lanes - wanted) % options.route.nodes;
    lane->due_ns = now_ns + (uint64_t)(options.lanes - wanted) * interval_ns / (uint64_t)options.lanes;
    wanted--;
  }
  for (int i = 0; i < options.groups; i++) groups[i].last_ack_ns = now_ns;
}

static void read_options(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (strcmp(name, "--protocol") == 0) options.etcd = strcmp(value, "etcd") == 0;
    else if (strcmp(name, "--groups") == 0) options.groups = atoi(value);
    else if (strcmp(name, "--lanes") == 0) options.lanes = atoi(value);
    else if (strcmp(name, "--connections") == 0) options.connections = atoi(value);
    else if (strcmp(name, "--rate") == 0) options.rate = atof(value);
    else if (strcmp(name, "--patience") == 0) options.patience = atof(value);
    else if (strcmp(name, "--ports") == 0) {
      char *ports = strdup(value);
      for (char *at = strtok(ports, ","); at != NULL; at = strtok(NULL, ","))
        if (route_node(&options.route, atoi(at)) < 0) fail(EXIT_USAGE, "too many ports");
      free(ports);
    } else fail(EXIT_USAGE, "%s is unknown", name);
  }
  connection_count = options.route.nodes * options.connections;
  if (argc % 2 == 0 || options.route.nodes < 1 || connection_count < 1 || connection_count > CONNECTIONS_MAX ||
      options.lanes < options.groups || options.lanes > LANES_MAX || options.groups < 1 || options.rate <= 0 ||
      options.patience <= 0)
    fail(EXIT_USAGE, "--ports P,P,... [--protocol etcd] [--groups N] [--lanes N] [--connections N] [--rate N] [--patience S]");
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  interval_ns = (uint64_t)(SECOND_NS / options.rate * options.lanes);
  /* etcd answers in any order: all lanes may go on for as long as one of its answers is waited for. */
  double most = options.lanes + options.rate * options.patience;
  for (ring = 1; ring < most && ring < RING_MAX;) ring *= 2;
  epoll_fd = epoll_create1(0);
  struct epoll_event orders = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &orders) != 0) fail(EXIT_SYSTEM, "epoll_ctl: %s", strerror(errno));
  choose_keys(clock_ns());
  for (int i = 0; i < connection_count; i++) {
    struct connection *connection = &connections[i];
    connection->node = i / options.connections;
    connection->in = malloc(BUFFER);
    connection->out = malloc(BUFFER);
    connection->pending = calloc(ring, sizeof *connection->pending);
    if (connection->in == NULL || connection->out == NULL || connection->pending == NULL)
      fail(EXIT_SYSTEM, "no memory");
  }
  run();
  return 0;
}
