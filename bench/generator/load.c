/* A cheap load generator: one thread, epoll, every reply checked in full.
 *
 * Closed loop: each connection sends `--pipeline` requests, waits for all replies, sends the next ones.
 * Open loop (`--rate`): requests are due at fixed times, whatever the server does, and a latency counts
 * from the time when the request was due, so that a stall is felt by all requests that it delays.
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

#include "histogram.h"
#include "protocol.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "workload.h writes values on little-endian machines only"
#endif

enum { SECOND_NS = 1000000000, CONNECTIONS_MAX = 16384, PIPELINE_MAX = 4096, EVENTS = 64 };
enum { EXIT_USAGE = 2, EXIT_WRONG = 3, EXIT_SYSTEM = 4 };
/* Requests of one connection that wait for replies in an open loop: half a minute at 20 k/s over 50. */
enum { OPEN_LOOP_PENDING_MAX = 16384, INPUT_BYTES = 1 << 16 };

enum operation { GET, SET, MIXED, LOAD, CHECK };
static const char *const operation_names[] = {"get", "set", "mixed", "load", "check"};

static struct {
  const char *host;
  int port, server_pid;
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

struct pending {
  uint64_t since_ns;
  uint32_t key;
  bool set;
};

struct connection {
  int fd;
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

static void fail_reply(const struct connection *connection, const char *in, size_t available) {
  const struct pending *request = &connection->pending[connection->first];
  char right[128], got[256];
  size_t at = 0;
  describe_right(right, sizeof right, &options.shape, request->set, request->key, phase.salt);
  for (size_t i = 0; i < available && i < 48; i++) {
    unsigned char byte = (unsigned char)in[i];
    const char *format = byte == '\r' ? "\\r" : byte == '\n' ? "\\n" : byte < 32 || byte > 126 ? "\\x%02x" : "%c";
    at += (size_t)snprintf(got + at, sizeof got - at, format, byte);
  }
  got[at] = 0;
  fail(EXIT_WRONG, "wrong reply to %s key:%012u: expected %s, got \"%s\" (after %llu right replies)",
       request->set ? "SET" : "GET", request->key, right, got, (unsigned long long)phase.answered);
}

static uint32_t next_key(void) {
  if (phase.operation == LOAD) return (uint32_t)phase.issued;
  if (phase.operation == CHECK) return phase.numbers[phase.issued];
  return random_below(&randomness, options.keys);
}

/* Appends one request to what the connection will send. */
static void enqueue(struct connection *connection, uint64_t since_ns) {
  uint32_t key = next_key();
  bool set = phase.operation == SET || phase.operation == LOAD ||
             (phase.operation == MIXED && random_below(&randomness, 5) == 0);
  if (connection->out_begin == connection->out_end) connection->out_begin = connection->out_end = 0;
  if (connection->out_size - connection->out_end < request_bytes_max(&options.shape)) {
    size_t waiting = connection->out_end - connection->out_begin;
    memmove(connection->out, connection->out + connection->out_begin, waiting);
    connection->out_begin = 0;
    connection->out_end = waiting;
  }
  char *out = connection->out + connection->out_end;
  char *end = set ? put_set(out, &options.shape, key, options.salt) : put_get(out, &options.shape, key);
  connection->out_end += (size_t)(end - out);
  connection->pending[(connection->first + connection->count++) & (connection->ring - 1)] =
      (struct pending){since_ns, key, set};
  if (set) written[key >> 3] |= (unsigned char)(1 << (key & 7));
  phase.issued++;
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
  uint32_t depth = phase.pipeline_min;
  if (phase.pipeline_max > depth) depth += random_below(&randomness, phase.pipeline_max - depth + 1);
  while (depth-- > 0 && phase.issued < phase.limit) enqueue(connection, now_ns);
  flush(connection);
}

static void receive(struct connection *connection, uint64_t now_ns) {
  const char *in = connection->in;
  size_t left = connection->in_length;
  while (left > 0) {
    const struct pending *request = &connection->pending[connection->first];
    if (connection->count == 0) fail(EXIT_WRONG, "a reply that no request asked for: %zu bytes", left);
    long length = request->set ? match_set(in, left, &options.shape)
                               : match_get(in, left, &options.shape, request->key, phase.salt);
    if (length == REPLY_WRONG) fail_reply(connection, in, left);
    if (length == REPLY_MORE) {
      /* An error line is shorter than a value and would otherwise be waited for. */
      if (left == connection->in_size) fail_reply(connection, in, left);
      break;
    }
    if (now_ns >= phase.begin_ns && now_ns < phase.end_ns) {
      histogram_add(&latency, now_ns - request->since_ns);
      phase.measured++;
    }
    in += length;
    left -= (size_t)length;
    phase.answered++;
    connection->first = (connection->first + 1) & (connection->ring - 1);
    connection->count--;
  }
  phase.last_reply_ns = now_ns;
  memmove(connection->in, in, left);
  connection->in_length = left;
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
      if (connection->count == connection->ring || phase.issued == phase.limit) break;
      if (due_ns >= phase.begin_ns) histogram_add(&lateness, now_ns - due_ns);
      enqueue(connection, due_ns);
      flush(connection);
      due_ns = start_ns + (uint64_t)((double)phase.issued * interval_ns);
    }
    now_ns = clock_ns();
    turn(due_ns > now_ns ? due_ns - now_ns : 0, false);
  }
  while (phase.answered < phase.issued) turn(SECOND_NS / 10, false);
}

/* CPU seconds of a process, all its threads; ticks of 10 ms. */
static void cpu_seconds(int pid, double *user, double *system) {
  char path[64], text[1024];
  *user = *system = 0;
  if (pid == 0) return;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(EXIT_SYSTEM, "%s: %s", path, strerror(errno));
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  unsigned long user_ticks, system_ticks;
  const char *after_name = strrchr(text, ')');
  if (after_name == NULL || sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                   &user_ticks, &system_ticks) != 2)
    fail(EXIT_SYSTEM, "%s is not as expected", path);
  *user = (double)user_ticks / (double)sysconf(_SC_CLK_TCK);
  *system = (double)system_ticks / (double)sysconf(_SC_CLK_TCK);
}

struct cpu {
  double server_user, server_system, own, machine;
};

/* Seconds in which the machine's cores did not idle, hypervisor's steal included. */
static double machine_busy_seconds(void) {
  unsigned long long field[8] = {0};
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL) fail(EXIT_SYSTEM, "/proc/stat: %s", strerror(errno));
  int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0], &field[1], &field[2],
                     &field[3], &field[4], &field[5], &field[6], &field[7]);
  fclose(file);
  if (found != 8) fail(EXIT_SYSTEM, "/proc/stat is not as expected");
  unsigned long long busy = field[0] + field[1] + field[2] + field[5] + field[6] + field[7];
  return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

static struct cpu cpu_now(void) {
  struct cpu cpu;
  struct rusage own;
  cpu_seconds(options.server_pid, &cpu.server_user, &cpu.server_system);
  getrusage(RUSAGE_SELF, &own);
  cpu.own = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
            (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
  cpu.machine = machine_busy_seconds();
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
  while (ring < wanted) ring *= 2;
  connections = allocate((size_t)options.connections, sizeof *connections);
  epoll_fd = epoll_create1(0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1)
    fail(EXIT_USAGE, "--host: an IPv4 address is needed, not %s", options.host);
  for (int i = 0; i < options.connections; i++) {
    struct connection *connection = &connections[i];
    int yes = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
      fail(EXIT_SYSTEM, "connecting to %s:%d: %s", options.host, options.port, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->ring = ring;
    connection->pending = allocate(ring, sizeof *connection->pending);
    connection->in_size = INPUT_BYTES + 2 * request_bytes_max(&options.shape);
    connection->in = allocate(connection->in_size, 1);
    connection->out_size = (ring + 1) * request_bytes_max(&options.shape);
    connection->out = allocate(connection->out_size, 1);
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

static void read_options(int argc, char **argv) {
  static const char *const protocols[] = {"resp", "memcached"};
  static const char *const names[] = {"host", "port", "pid", "connections", "pipeline", "keys", "value", "operation",
                                      "protocol", "seconds", "requests", "warmup", "rate", "salt", "seed", "check", "silence"};
  enum { COUNT = sizeof names / sizeof *names };
  struct option table[COUNT + 1] = {0};
  for (int i = 0; i < COUNT; i++) table[i] = (struct option){names[i], required_argument, NULL, 0};
  int index;
  for (int code; (code = getopt_long(argc, argv, "", table, &index)) != -1;) {
    if (code != 0) exit(EXIT_USAGE);
    const char *name = names[index];
    switch (index) {
      case 0: options.host = optarg; break;
      case 1: options.port = (int)number_of(name, 1, 65535); break;
      case 2: options.server_pid = (int)number_of(name, 1, 1 << 30); break;
      case 3: options.connections = (int)number_of(name, 1, CONNECTIONS_MAX); break;
      case 4: read_pipeline(); break;
      case 5: options.keys = (uint64_t)number_of(name, 1, 1e9); break;
      case 6: options.shape.value_bytes = (uint32_t)number_of(name, 1, 1 << 20); break;
      case 7: options.operation = (enum operation)one_of(name, operation_names, 4); break;
      case 8: options.shape.protocol = (enum protocol)one_of(name, protocols, 2); break;
      case 9: options.seconds = number_of(name, 0, 3600); break;
      case 10: options.requests = (uint64_t)number_of(name, 0, 1e12); break;
      case 11: options.warmup = number_of(name, 0, 3600); break;
      case 12: options.rate = number_of(name, 1, 1e7); break;
      case 13: options.salt = (unsigned)number_of(name, 0, SALTS - 1); break;
      case 14: options.seed = (uint64_t)number_of(name, 0, 9e15); break;
      case 15: options.check = (uint32_t)number_of(name, 0, 1e9); break;
      case 16: options.silence = number_of(name, 0, 3600); break;
    }
  }
  if (optind < argc) fail(EXIT_USAGE, "%s is not an option", argv[optind]);
  if (options.port == 0) fail(EXIT_USAGE, "--port is needed");
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
