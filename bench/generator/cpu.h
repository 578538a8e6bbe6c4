/* CPU time of processes and of the machine, from /proc. */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Adds the CPU seconds of a process, all its threads; ticks of 10 ms. */
static inline bool cpu_seconds(int pid, double *user, double *system) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return false;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  unsigned long user_ticks, system_ticks;
  const char *after_name = strrchr(text, ')');
  if (after_name == NULL || sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                   &user_ticks, &system_ticks) != 2)
    return false;
  *user += (double)user_ticks / (double)sysconf(_SC_CLK_TCK);
  *system += (double)system_ticks / (double)sysconf(_SC_CLK_TCK);
  return true;
}

struct cpu {
  double server_user, server_system, own, machine;
};

/* Seconds in which the machine's cores did not idle, hypervisor's steal included; negative: not to be read. */
static inline double machine_busy_seconds(void) {
  unsigned long long field[8] = {0};
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL) return -1;
  int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0], &field[1], &field[2],
                     &field[3], &field[4], &field[5], &field[6], &field[7]);
  fclose(file);
  if (found != 8) return -1;
  unsigned long long busy = field[0] + field[1] + field[2] + field[5] + field[6] + field[7];
  return (double)busy / (double)sysconf(_SC_CLK_TCK);
}

#endif
