/* A cheap load generator: one thread, epoll, every reply checked in full.
 *
 * Closed loop: each connection sends `--pipeline` requests, waits for all replies, sends the next ones.
 * Open loop (`--rate`): requests are due at fixed times, whatever the server does, and a latency counts
 * from the time when the request was due, so that a stall is felt by all requests that it delays.
 *
 * Several servers (`--route`): each connection asks for keys of its own server's slots. Redis replicas (`--wait N`): the SETs
 * that go out together are followed by one WAIT N 0, and count as answered when that is.
 *
 * Prints one JSON line. Exit codes: 0; 2 wrong arguments; 3 a wrong reply; 4 the system or the server failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"
#include "etcd.h"
#include "histogram.h"
#include "protocol.h"
#include "route.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "workload.h writes values on little-endian machines only"
#endif

enum { SECOND_NS = 1000000000, CONNECTIONS_MAX = 16384, PIPELINE_MAX = 4096, EVENTS = 64 };
enum { EXIT_USAGE = 2, EXIT_WRONG = 3, EXIT_SYSTEM = 4 };
/* Requests of one connection that wait for replies in an open loop: half a minute at 20 k/s over 50. */
enum { OPEN_LOOP_PENDING_MAX = 16384, INPUT_BYTES = 1 << 16, PIDS_MAX = 16 };

enum operation { GET, SET, MIXED, LOAD, CHECK };
static const char *const operation_names[] = {"get", "set", "mixed", "load", "check"};

static struct {
  const char *host;
  struct route route;
  int pids[PIDS_MAX], pid_count;
  unsigned wait;
  int connections;
  uint32_t pipeline_min, pipeline_max;
  uint64_t keys, requests, seed;
  double seconds, warmup, rate, silence;
  unsigned salt;
  uint32_t check;
  enum operation operation;
  struct shape shape;
} options = {.host = "127.0.0.1", .connections = 50, .pipeline_min = 1, .pipeline_max = 1,
             .keys = 1000000, .seed = 1, .seconds = 3, .warmup = 0.5, .silence = 10, .check = 10000,
             .shape = {RESP, 16}};

enum kind { READ, WRITE, WAIT };

struct pending {
  uint64_t since_ns;
  uint32_t key;    /* of a WAIT: how many writes it covers */
  enum kind kind;
  bool answered, done; /* etcd: the message came; the trailers too */
};

struct connection {
  int fd, node;
  struct h2 h2;
  bool wants_writable;
  char *in, *out;
  size_t in_length, out_begin, out_end, in_size, out_size;
  struct pending *pending; /* a ring; its size is a power of two */
  uint32_t first, count, ring;
};

/* What is being done now. */
static struct {
  enum operation operation;
  int salt;            /* that values read must have; -1: any */
  uint64_t issued, answered, limit; /* limit of issued requests; UINT64_MAX: none */
  uint64_t begin_ns, end_ns; /* replies from begin to end are measured */
  uint64_t measured, last_reply_ns;
  uint32_t pipeline_min, pipeline_max;
  const uint32_t *numbers; /* CHECK: the keys to read */
  uint64_t cursors[NODES_MAX]; /* LOAD and CHECK: the next key, or place in numbers, that a node may have */
} phase;

static struct connection *connections;
static struct histogram latency, lateness;
static struct random randomness;
static unsigned char *written; /* one bit a key: this run set it */
static int epoll_fd;

static void fail(int code, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "load: ");
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

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail(EXIT_SYSTEM, "no memory for %zu bytes", count * size);
  return memory;
}

static void fail_reply(const struct connection *connection, const struct pending *request, const char *in,
                       size_t available) {
  char right[128], got[256];
  size_t at = 0;
  got[0] = 0;
  if (request->kind == WAIT) snprintf(right, sizeof right, ":%u", options.wait);
  else describe_right(right, sizeof right, &options.shape, request->kind == WRITE, request->key, phase.salt);
  for (size_t i = 0; i < available && i < 48; i++) {
    unsigned char byte = (unsigned char)in[i];
    const char *format = byte == '\r' ? "\\r" : byte == '\n' ? "\\n" : byte < 32 || byte > 126 ? "\\x%02x" : "%c";
    at += (size_t)snprintf(got + at, sizeof got - at, format, byte);
  }
  if (request->kind == WAIT) fail(EXIT_WRONG, "wrong reply to WAIT: expected %s, got \"%s\"", right, got);
  fail(EXIT_WRONG, "wrong reply to %s key:%012u from port %d: expected %s, got \"%s\" (after %llu right replies)",
       request->kind == WRITE ? "SET" : "GET", request->key, options.route.ports[connection->node], right, got,
       (unsigned long long)phase.answered);
}

static bool belongs(uint32_t key, int node) {
  char text[KEY_BYTES];
  if (options.route.nodes == 1) return true;
  write_key(text, key);
  return options.route.node_of_slot[slot_of(text, KEY_BYTES)] == node;
}

/* False: this server has no more keys to load or check. */
static bool next_key(int node, uint32_t *key) {
  if (phase.operation != LOAD && phase.operation != CHECK) {
    do *key = random_below(&randomness, options.keys);
    while (!belongs(*key, node));
    return true;
  }
  for (uint64_t *cursor = &phase.cursors[node]; *cursor < phase.limit;) {
    *key = phase.operation == LOAD ? (uint32_t)*cursor : phase.numbers[*cursor];
    ++*cursor;
    if (belongs(*key, node)) return true;
  }
  return false;
}

/* Where so many bytes can be written, behind what waits to be sent. */
static char *room(struct connection *connection, size_t bytes) {
  size_t waiting = connection->out_end - connection->out_begin;
  if (waiting == 0 || connection->out_size - connection->out_end < bytes) {
    memmove(connection->out, connection->out + connection->out_begin, waiting);
    connection->out_begin = 0;
    connection->out_end = waiting;
  }
  if (connection->out_size - connection->out_end < bytes) fail(EXIT_SYSTEM, "the server reads too slowly");
  return connection->out + connection->out_end;
}

static void expect(struct connection *connection, struct pending request) {
  connection->pending[(connection->first + connection->count++) & (connection->ring - 1)] = request;
}

static char *put_etcd(struct connection *connection, char *out, uint32_t number, bool set) {
  char key[KEY_BYTES], *value;
  write_key(key, number);
  if (!set) return put_call(out, &connection->h2, ETCD_RANGE, key, KEY_BYTES, 0, &value);
  out = put_call(out, &connection->h2, ETCD_PUT, key, KEY_BYTES, options.shape.value_bytes, &value);
  write_value(value, options.shape.value_bytes, number, options.salt);
  if (connection->h2.send_window < 0) fail(EXIT_SYSTEM, "etcd takes no more: use a smaller pipeline");
  return out;
}

/* Appends one request to what the connection will send; false if there is none for its server. `*set`: it writes. */
static bool enqueue(struct connection *connection, uint64_t since_ns, bool *set) {
  uint32_t key;
  if (!next_key(connection->node, &key)) return false;
  *set = phase.operation == SET || phase.operation == LOAD ||
         (phase.operation == MIXED && random_below(&randomness, 5) == 0);
  char *out = room(connection, request_bytes_max(&options.shape));
  char *end = options.shape.protocol == ETCD ? put_etcd(connection, out, key, *set)
              : *set                         ? put_set(out, &options.shape, key, options.salt)
                                             : put_get(out, &options.shape, key);
  connection->out_end += (size_t)(end - out);
  expect(connection, (struct pending){since_ns, key, *set ? WRITE : READ, false, false});
  if (*set) written[key >> 3] |= (unsigned char)(1 << (key & 7));
  phase.issued++;
  return true;
}

static void enqueue_wait(struct connection *connection, uint64_t since_ns, uint32_t writes) {
  if (options.wait == 0 || writes == 0) return;
  char *out = room(connection, request_bytes_max(&options.shape));
  char *end = put(put_number(put(out, "*3\r\n$4\r\nWAIT\r\n$1\r\n"), options.wait), "\r\n$1\r\n0\r\n");
  connection->out_end += (size_t)(end - out);
  expect(connection, (struct pending){since_ns, writes, WAIT, false, false});
}

static void flush(struct connection *connection) {
  while (connection->out_begin < connection->out_end) {
    ssize_t sent = send(connection->fd, connection->out + connection->out_begin,
                        connection->out_end - connection->out_begin, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) fail(EXIT_SYSTEM, "sending: %s", strerror(errno));
    if (sent < 0) break;
    connection->out_begin += (size_t)sent;
  }
  bool waits = connection->out_begin < connection->out_end;
  if (waits == connection->wants_writable) return;
  connection->wants_writable = waits;
  struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = connection};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void send_batch(struct connection *connection, uint64_t now_ns) {
  uint32_t depth = phase.pipeline_min, writes = 0;
  bool set;
  if (phase.pipeline_max > depth) depth += random_below(&randomness, phase.pipeline_max - depth + 1);
  while (depth-- > 0 && phase.issued < phase.limit && enqueue(connection, now_ns, &set)) writes += set;
  enqueue_wait(connection, now_ns, writes);
  flush(connection);
}

static void count_answers(uint32_t answers, uint64_t since_ns, uint64_t now_ns) {
  phase.answered += answers;
  if (now_ns < phase.begin_ns || now_ns >= phase.end_ns) return;
  for (uint32_t i = 0; i < answers; i++) histogram_add(&latency, now_ns - since_ns);
  phase.measured += answers;
}

static void drop_first(struct connection *connection) {
  connection->first = (connection->first + 1) & (connection->ring - 1);
  connection->count--;
}

/* Handles the whole replies among the bytes; how many bytes they have. */
static size_t receive_text(struct connection *connection, uint64_t now_ns) {
  size_t at = 0;
  while (at < connection->in_length) {
    const char *in = connection->in + at;
    size_t left = connection->in_length - at;
    const struct pending *request = &connection->pending[connection->first];
    if (connection->count == 0) fail(EXIT_WRONG, "a reply that no request asked for: %zu bytes", left);
    long length = request->kind == WAIT    ? match_wait(in, left, options.wait)
                  : request->kind == WRITE ? match_set(in, left, &options.shape)
                                           : match_get(in, left, &options.shape, request->key, phase.salt);
    if (length == REPLY_WRONG) fail_reply(connection, request, in, left);
    if (length == REPLY_MORE) {
      /* An error line is shorter than a value and would otherwise be waited for. */
      if (left == connection->in_size) fail_reply(connection, request, in, left);
      break;
    }
    at += (size_t)length;
    if (request->kind == WAIT) count_answers(request->key, request->since_ns, now_ns);
    else if (request->kind == READ || options.wait == 0) count_answers(1, request->since_ns, now_ns);
    drop_first(connection);
  }
  return at;
}

/* The request that a frame is about. Calls are pending in their order, whatever the order of their answers. */
static struct pending *call_of(struct connection *connection, const struct frame *frame) {
  uint32_t place = connection->count - (connection->h2.calls - (frame->stream - 1) / 2);
  if (place >= connection->count) fail(EXIT_WRONG, "an answer to a call that is not out: stream %u", frame->stream);
  return &connection->pending[(connection->first + place) & (connection->ring - 1)];
}

static void receive_frame(struct connection *connection, const struct frame *frame, uint64_t now_ns) {
  if (frame->type == GOAWAY || frame->type == RST_STREAM) fail(EXIT_SYSTEM, "etcd ended a %s", frame->type == GOAWAY ? "connection" : "call");
  if (frame->type == DATA && frame->length > 0) {
    struct pending *request = call_of(connection, frame);
    size_t length = 0;
    const unsigned char *value = request->kind == READ ? etcd_value(frame, &length) : NULL;
    bool right = request->kind == WRITE || (value != NULL && length == options.shape.value_bytes &&
                                            value_is((const char *)value, options.shape.value_bytes, request->key, phase.salt));
    if (!right) fail_reply(connection, request, (const char *)value, length);
    request->answered = true;
  }
  if (frame->type == HEADERS && (frame->flags & FLAG_END_STREAM) != 0) {
    struct pending *request = call_of(connection, frame);
    if (!request->answered) fail_reply(connection, request, "a failed call", 13);
    request->done = true;
    count_answers(1, request->since_ns, now_ns);
    while (connection->count > 0 && connection->pending[connection->first].done) drop_first(connection);
  }
  char *out = room(connection, request_bytes_max(&options.shape));
  connection->out_end += (size_t)(answer_frame(out, &connection->h2, frame) - out);
}

static size_t receive_etcd(struct connection *connection, uint64_t now_ns) {
  struct frame frame;
  size_t at = 0;
  for (size_t length; (length = read_frame(connection->in + at, connection->in_length - at, &frame)) > 0; at += length)
    receive_frame(connection, &frame, now_ns);
  return at;
}

static void receive(struct connection *connection, uint64_t now_ns) {
  bool etcd = options.shape.protocol == ETCD;
  size_t used = etcd ? receive_etcd(connection, now_ns) : receive_text(connection, now_ns);
  connection->in_length -= used;
  memmove(connection->in, connection->in + used, connection->in_length);
  phase.last_reply_ns = now_ns;
}

static void on_readable(struct connection *connection, bool closed_loop) {
  ssize_t got = recv(connection->fd, connection->in + connection->in_length,
                     connection->in_size - connection->in_length, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) fail(EXIT_SYSTEM, "receiving: %s", strerror(errno));
  if (got == 0) fail(EXIT_SYSTEM, "the server closed a connection");
  connection->in_length += (size_t)got;
  uint64_t now_ns = clock_ns();
  receive(connection, now_ns);
  flush(connection);
  if (closed_loop && connection->count == 0 && phase.issued < phase.limit && now_ns < phase.end_ns)
    send_batch(connection, now_ns);
}

/* Waits at most `wait_ns` for events and handles them. */
static void turn(uint64_t wait_ns, bool closed_loop) {
  struct epoll_event events[EVENTS];
  struct timespec wait = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
  int ready = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
  if (ready < 0 && errno != EINTR) fail(EXIT_SYSTEM, "epoll_pwait2: %s", strerror(errno));
  for (int i = 0; i < ready; i++) {
    struct connection *connection = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(connection);
    if (events[i].events & ~(uint32_t)EPOLLOUT) on_readable(connection, closed_loop);
  }
  uint64_t quiet_ns = clock_ns() - phase.last_reply_ns;
  if (phase.answered < phase.issued && quiet_ns > (uint64_t)(options.silence * SECOND_NS))
    fail(EXIT_WRONG, "%llu of %llu replies missing after %g s of silence",
         (unsigned long long)(phase.issued - phase.answered), (unsigned long long)phase.issued, options.silence);
}

static bool issuing(void) { return phase.issued < phase.limit && clock_ns() < phase.end_ns; }

static void run_closed_loop(void) {
  uint64_t now_ns = clock_ns();
  phase.last_reply_ns = now_ns;
  for (int i = 0; i < options.connections && phase.issued < phase.limit; i++) send_batch(&connections[i], now_ns);
  while (issuing() || phase.answered < phase.issued) turn(SECOND_NS / 10, true);
}

static void run_open_loop(void) {
  double interval_ns = SECOND_NS / options.rate;
  uint64_t start_ns = phase.last_reply_ns = clock_ns();
  uint64_t due_ns = start_ns;
  int next = 0;
  while (issuing()) {
    uint64_t now_ns = clock_ns();
    for (; due_ns <= now_ns && due_ns < phase.end_ns; next = (next + 1) % options.connections) {
      struct connection *connection = &connections[next];
      if (connection->count + 2 > connection->ring || phase.issued == phase.limit) break;
      if (due_ns >= phase.begin_ns) histogram_add(&lateness, now_ns - due_ns);
      bool set;
      if (enqueue(connection, due_ns, &set)) enqueue_wait(connection, due_ns, set);
      flush(connection);
      due_ns = start_ns + (uint64_t)((double)phase.issued * interval_ns);
    }
    now_ns = clock_ns();
    turn(due_ns > now_ns ? due_ns - now_ns : 0, false);
  }
  while (phase.answered < phase.issued) turn(SECOND_NS / 10, false);
}

static struct cpu cpu_now(void) {
  struct cpu cpu = {0};
  struct rusage own;
  for (int i = 0; i < options.pid_count; i++)
    if (!cpu_seconds(options.pids[i], &cpu.server_user, &cpu.server_system))
      fail(EXIT_SYSTEM, "/proc/%d/stat can't be read", options.pids[i]);
  getrusage(RUSAGE_SELF, &own);
  cpu.own = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
            (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  cpu.machine = machine_busy_seconds();
  if (cpu.machine < 0) fail(EXIT_SYSTEM, "/proc/stat can't be read");
  return cpu;
}

static void run(void) {
  if (options.rate > 0 && phase.operation == options.operation) run_open_loop();
  else run_closed_loop();
}

static void begin_phase(enum operation operation, uint64_t limit, double seconds) {
  memset(&phase, 0, sizeof phase);
  phase.operation = operation;
  phase.salt = operation == CHECK ? (int)options.salt : -1;
  phase.limit = limit;
  phase.pipeline_min = options.pipeline_min;
  phase.pipeline_max = options.pipeline_max;
  phase.begin_ns = clock_ns();
  phase.end_ns = seconds > 0 ? phase.begin_ns + (uint64_t)(seconds * SECOND_NS) : UINT64_MAX;
}

/* Reads back a spread of the keys that this run wrote: they must hold exactly what it wrote. */
static uint64_t check_written(void) {
  uint32_t *numbers = allocate(options.check + 1, sizeof *numbers);
  uint64_t count = 0, start = random_below(&randomness, options.keys);
  for (uint64_t i = 0; i < options.keys && count < options.check; i++) {
    uint32_t key = (uint32_t)((start + i * 7919) % options.keys);
    if (written[key >> 3] & (1 << (key & 7))) numbers[count++] = key;
  }
  begin_phase(CHECK, count, 0);
  phase.numbers = numbers;
  phase.pipeline_min = phase.pipeline_max = options.pipeline_max;
  run();
  free(numbers);
  return count;
}

static void connect_all(void) {
  uint32_t ring = 1;
  uint32_t wanted = options.rate > 0 ? OPEN_LOOP_PENDING_MAX : options.pipeline_max;
  while (ring < wanted + (options.wait > 0)) ring *= 2;
  if (options.connections < options.route.nodes) fail(EXIT_USAGE, "--connections: at least one for each port");
  connections = allocate((size_t)options.connections, sizeof *connections);
  epoll_fd = epoll_create1(0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1)
    fail(EXIT_USAGE, "--host: an IPv4 address is needed, not %s", options.host);
  for (int i = 0; i < options.connections; i++) {
    struct connection *connection = &connections[i];
    int yes = 1;
    connection->node = i % options.route.nodes;
    int port = options.route.ports[connection->node];
    address.sin_port = htons((uint16_t)port);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
      fail(EXIT_SYSTEM, "connecting to %s:%d: %s", options.host, port, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->ring = ring;
    connection->pending = allocate(ring, sizeof *connection->pending);
    connection->in_size = INPUT_BYTES + 2 * request_bytes_max(&options.shape);
    connection->in = allocate(connection->in_size, 1);
    connection->out_size = (ring + 4) * request_bytes_max(&options.shape);
    connection->out = allocate(connection->out_size, 1);
    if (options.shape.protocol == ETCD)
      connection->out_end = (size_t)(h2_begin(connection->out, &connection->h2) - connection->out);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
      fail(EXIT_SYSTEM, "epoll_ctl: %s", strerror(errno));
  }
}

static double number_of(const char *name, double min, double max) {
  char *end;
  double value = strtod(optarg, &end);
  if (end == optarg || *end != 0 || !(value >= min && value <= max))
    fail(EXIT_USAGE, "--%s must be a number from %.0f to %.0f, not %s", name, min, max, optarg);
  return value;
}

static int one_of(const char *name, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], optarg) == 0) return i;
  fail(EXIT_USAGE, "--%s: %s is unknown", name, optarg);
  return -1;
}

static void read_pipeline(void) {
  char *end;
  unsigned long min = strtoul(optarg, &end, 10), max = min;
  if (*end == '-') max = strtoul(end + 1, &end, 10);
  if (*end != 0 || min < 1 || max < min || max > PIPELINE_MAX)
    fail(EXIT_USAGE, "--pipeline must be N or MIN-MAX from 1 to %d, not %s", PIPELINE_MAX, optarg);
  options.pipeline_min = (uint32_t)min;
  options.pipeline_max = (uint32_t)max;
}

static void read_pids(void) {
  for (char *at = strtok(optarg, ","); at != NULL; at = strtok(NULL, ",")) {
    if (options.pid_count == PIDS_MAX || atoi(at) < 1) fail(EXIT_USAGE, "--pid must be up to %d numbers", PIDS_MAX);
    options.pids[options.pid_count++] = atoi(at);
  }
}

static void read_options(int argc, char **argv) {
  static const char *const protocols[] = {"resp", "memcached", "etcd"};
  static const char *const names[] = {"host", "port", "pid", "connections", "pipeline", "keys", "value", "operation",
                                      "protocol", "seconds", "requests", "warmup", "rate", "salt", "seed", "check", "silence", "route", "wait"};
  enum { COUNT = sizeof names / sizeof *names };
  struct option table[COUNT + 1] = {0};
  for (int i = 0; i < COUNT; i++) table[i] = (struct option){names[i], required_argument, NULL, 0};
  int index;
  for (int code; (code = getopt_long(argc, argv, "", table, &index)) != -1;) {
    if (code != 0) exit(EXIT_USAGE);
    const char *name = names[index];
    switch (index) {
      case 0: options.host = optarg; break;
      case 1: route_node(&options.route, (int)number_of(name, 1, 65535)); break;
      case 2: read_pids(); break;
      case 3: options.connections = (int)number_of(name, 1, CONNECTIONS_MAX); break;
      case 4: read_pipeline(); break;
      case 5: options.keys = (uint64_t)number_of(name, 1, 1e9); break;
      case 6: options.shape.value_bytes = (uint32_t)number_of(name, 1, 1 << 20); break;
      case 7: options.operation = (enum operation)one_of(name, operation_names, 4); break;
      case 8: options.shape.protocol = (enum protocol)one_of(name, protocols, 3); break;
      case 9: options.seconds = number_of(name, 0, 3600); break;
      case 10: options.requests = (uint64_t)number_of(name, 0, 1e12); break;
      case 11: options.warmup = number_of(name, 0, 3600); break;
      case 12: options.rate = number_of(name, 1, 1e7); break;
      case 13: options.salt = (unsigned)number_of(name, 0, SALTS - 1); break;
      case 14: options.seed = (uint64_t)number_of(name, 0, 9e15); break;
      case 15: options.check = (uint32_t)number_of(name, 0, 1e9); break;
      case 16: options.silence = number_of(name, 0, 3600); break;
      case 17:
        if (!route_read(&options.route, optarg)) fail(EXIT_USAGE, "--route must be FIRST-LAST:PORT,... for all slots");
        break;
      case 18: options.wait = (unsigned)number_of(name, 0, 9); break;
    }
  }
  if (optind < argc) fail(EXIT_USAGE, "%s is not an option", argv[optind]);
  if (options.route.nodes == 0) fail(EXIT_USAGE, "--port or --route is needed");
}

static void print_histogram(const char *name, const struct histogram *histogram) {
  static const struct { const char *name; double share; } points[] = {
      {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
  printf("\"%s\":{", name);
  for (int i = 0; i < 4; i++)
    printf("\"%s\":%llu,", points[i].name, (unsigned long long)histogram_at(histogram, points[i].share));
  printf("\"max\":%llu,\"mean\":%.0f}", (unsigned long long)histogram->max_ns,
         histogram->total == 0 ? 0.0 : (double)histogram->sum_ns / (double)histogram->total);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1); /* an open loop sleeps for microseconds */
  randomness.state = mix(options.seed) | 1;
  written = allocate(options.keys / 8 + 1, 1);
  connect_all();

  bool load = options.operation == LOAD;
  if (!load && options.warmup > 0) {
    begin_phase(options.operation, UINT64_MAX, options.warmup);
    run();
    memset(&latency, 0, sizeof latency);
    memset(&lateness, 0, sizeof lateness);
  }
  uint64_t limit = load ? options.keys : options.requests > 0 ? options.requests : UINT64_MAX;
  struct cpu before = cpu_now();
  begin_phase(options.operation, limit, load || options.requests > 0 ? 0 : options.seconds);
  uint64_t begin_ns = phase.begin_ns;
  run();
  uint64_t end_ns = phase.end_ns < phase.last_reply_ns ? phase.end_ns : phase.last_reply_ns;
  struct cpu after = cpu_now();
  uint64_t measured = phase.measured, answered = phase.answered;
  uint64_t checked = options.operation == GET ? answered : check_written();

  double seconds = (double)(end_ns - begin_ns) / SECOND_NS;
  printf("{\"operation\":\"%s\",\"requests\":%llu,\"seconds\":%.6f,\"perSecond\":%.1f,\"checked\":%llu,",
         operation_names[options.operation], (unsigned long long)answered, seconds,
         (double)measured / seconds, (unsigned long long)checked);
  print_histogram("latencyNs", &latency);
  printf(",");
  print_histogram("latenessNs", &lateness);
  printf(",\"serverUserSeconds\":%.3f,\"serverSystemSeconds\":%.3f,\"generatorSeconds\":%.3f,\"machineSeconds\":%.3f}\n",
         after.server_user - before.server_user, after.server_system - before.server_system, after.own - before.own,
         after.machine - before.machine);
  return 0;
}
