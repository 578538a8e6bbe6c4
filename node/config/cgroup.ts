/** What the container's control group allows, version 1 and 2. */

export interface ContainerLimits {
  /** Bytes; undefined: no limit. */
  readonly memoryBytes: number | undefined;
  /** Cores, may be a fraction; undefined: no limit. */
  readonly cpus: number | undefined;
}

/** The text of a file, or undefined if it can't be read. */
export type ReadFile = (path: string) => string | undefined;

const root = '/sys/fs/cgroup';

/**
 * A process may be deep in the tree and every group above it limits it too, so the smallest limit
 * on the way up counts. Inside a container the path is often `/` or one that is not mounted.
 */
export function containerLimits(read: ReadFile): ContainerLimits {
  const groups = parseGroups(read('/proc/self/cgroup') ?? '');
  const unified = read(`${root}/cgroup.controllers`) !== undefined;
  if (unified) {
    const up = ancestors(groups.get('') ?? '/').map((path) => `${root}${path}`);
    return {
      memoryBytes: smallest(up.map((path) => memoryOf(read(`${path}/memory.max`)))),
      cpus: smallest(up.map((path) => cpuOfPair(read(`${path}/cpu.max`)))),
    };
  }
  const memory = ancestors(groups.get('memory') ?? '/').map((path) => `${root}/memory${path}`);
  const cpu = ancestors(groups.get('cpu') ?? '/').flatMap((path) => [
    `${root}/cpu${path}`,
    `${root}/cpu,cpuacct${path}`,
  ]);
  return {
    memoryBytes: smallest(memory.map((path) => memoryOf(read(`${path}/memory.limit_in_bytes`)))),
    cpus: smallest(
      cpu.map((path) =>
        cpuOfPair(
          [
            read(`${path}/cpu.cfs_quota_us`)?.trim(),
            read(`${path}/cpu.cfs_period_us`)?.trim(),
          ].join(' '),
        ),
      ),
    ),
  };
}

/** `4:memory:/a/b` lines: controller -> path; version 2 has the empty controller. */
function parseGroups(text: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    for (const controller of match?.[1]?.split(',') ?? []) {
      groups.set(controller, match?.[2] ?? '/');
    }
  }
  return groups;
}

/** `/a/b` -> `/a/b`, `/a`, empty (the root). */
function ancestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const paths: string[] = [];
  for (let count = parts.length; count >= 0; count--) {
    paths.push(count === 0 ? '' : `/${parts.slice(0, count).join('/')}`);
  }
  return paths;
}

function memoryOf(text: string | undefined): number | undefined {
  const value = Number(text?.trim() || Number.NaN);
  // Version 1 says "no limit" with a number near 2^63, version 2 with `max`.
  return Number.isFinite(value) && value > 0 && value < 2 ** 60 ? value : undefined;
}

function cpuOfPair(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? '').trim().split(/\s+/).map(Number);
  return quota !== undefined && period !== undefined && quota > 0 && period > 0
    ? quota / period
    : undefined;
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const present = values.filter((value) => value !== undefined);
  return present.length === 0 ? undefined : Math.min(...present);
}
