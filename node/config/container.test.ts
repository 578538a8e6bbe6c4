import { expect } from 'chai';
import { describe, it } from 'mocha';
import { computeBudget } from './budget.ts';
import { containerLimits } from './cgroup.ts';
import { limits, mebibyte } from './limits.ts';
import { configure } from './node.ts';
import { minimalEnvironment as minimal } from './testing/minimal.ts';

function fromFiles(files: Record<string, string>) {
  return (path: string) => files[path];
}

const v2 = {
  '/sys/fs/cgroup/cgroup.controllers': 'cpu memory\n',
  '/proc/self/cgroup': '0::/\n',
  '/sys/fs/cgroup/memory.max': '1073741824\n',
  '/sys/fs/cgroup/cpu.max': '150000 100000\n',
};
const v1 = {
  '/proc/self/cgroup': '4:memory:/kubepods/pod1/abc\n3:cpu,cpuacct:/kubepods/pod1/abc\n',
  '/sys/fs/cgroup/memory/memory.limit_in_bytes': '2147483648\n',
  '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000\n',
  '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
};

describe('limits of the container', () => {
  it('reads version 2', () => {
    expect(containerLimits(fromFiles(v2))).to.deep.equal({ memoryBytes: 2 ** 30, cpus: 1.5 });
  });

  it('takes the smallest limit on the way up in version 2', () => {
    const nested = {
      ...v2,
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/memory.max': 'max\n',
      '/sys/fs/cgroup/a/memory.max': '536870912\n',
      '/sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
    };
    expect(containerLimits(fromFiles(nested))).to.deep.equal({ memoryBytes: 2 ** 29, cpus: 1.5 });
  });

  it('reads version 1 as mounted in a container, where the path of the host is not there', () => {
    expect(containerLimits(fromFiles(v1))).to.deep.equal({ memoryBytes: 2 ** 31, cpus: 2 });
  });

  it('knows what "no limit" looks like', () => {
    const unlimited = {
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    };
    for (const files of [unlimited, {}, { ...v2, ...{ '/sys/fs/cgroup/memory.max': 'max' } }]) {
      expect(containerLimits(fromFiles(files)).memoryBytes).to.equal(undefined);
    }
    expect(containerLimits(fromFiles(unlimited)).cpus).to.equal(undefined);
  });
});

describe('memory budget', () => {
  const input = { origin: 'test', percent: 75, threads: 1, connectionsMax: 1000 };

  it('is a share of a large limit and what the process leaves of a small one', () => {
    const large = computeBudget({ ...input, memoryLimitBytes: 2048 * mebibyte });
    expect(large.budgetBytes).to.equal(1536 * mebibyte);
    const small = computeBudget({ ...input, memoryLimitBytes: 512 * mebibyte });
    const rest = 512 - 160 - 40 - 32;
    expect(small.budgetBytes).to.equal(rest * mebibyte - 1000 * limits.connectionBytes);
  });

  it('is at most one arena, and tells what is left over', () => {
    const huge = computeBudget({ ...input, memoryLimitBytes: 16_384 * mebibyte });
    expect(huge.reservedBytes).to.equal(limits.arenaBytesMax);
    expect(huge.budgetBytes).to.be.lessThan(limits.arenaBytesMax);
    expect(huge.budgetBytes + huge.unusedBytes).to.equal(12_288 * mebibyte);
  });

  it('refuses a limit below 512 MiB, and one that threads and connections use up', () => {
    const below = { ...input, memoryLimitBytes: 512 * mebibyte - 1 };
    expect(() => computeBudget(below)).to.throw(/memory limit is 511Mi \(test\).*at least 512Mi/);
    const crowded = { ...input, memoryLimitBytes: 512 * mebibyte, threads: 8 };
    expect(() => computeBudget(crowded)).to.throw(/8 threads .* lower RDB_THREADS/);
  });
});

describe('configuration of a node', () => {
  it('follows the container', () => {
    const { configuration } = configure(minimal, [], fromFiles(v2));
    expect(configuration.threads).to.equal(2);
    expect(configuration.budget.budgetBytes).to.be.lessThan(0.75 * 2 ** 30);
    expect(configuration.advertiseHost).to.equal('demo-0');
  });

  it('lets settings win over the container', () => {
    const environment = { ...minimal, RDB_THREADS: '1', RDB_MEMORY_LIMIT: '4Gi' };
    const { configuration } = configure(environment, [], fromFiles(v2));
    expect(configuration.threads).to.equal(1);
    expect(configuration.budget.budgetBytes).to.equal(3 * 2 ** 30);
  });

  it('names RDB_MEMORY_LIMIT when that is too small', () => {
    const environment = { ...minimal, RDB_MEMORY_LIMIT: '100Mi' };
    expect(() => configure(environment, [], fromFiles(v2))).to.throw(/100Mi \(RDB_MEMORY_LIMIT\)/);
  });
});
