import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import {
  cgroupProcesses,
  cgroupVersion,
  findCgroups,
  makeCgroup,
  removeCgroup,
} from './cgroups.ts';

/** On folders that look like the kernel's: what is tested is what we look for and write. */
describe('cgroups', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'rdb-cgroups-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const version1 = (...trees: readonly string[]) => {
    for (const tree of trees) {
      mkdirSync(join(root, tree));
      writeFileSync(join(root, tree, 'cgroup.procs'), '1\n');
    }
    writeFileSync(join(root, 'cpuset', 'cpuset.cpus'), '0-1\n');
    if (trees.includes('cpu,cpuacct'))
      writeFileSync(join(root, 'cpu,cpuacct', 'cpu.shares'), '1024\n');
    writeFileSync(join(root, 'cpuset', 'cpuset.mems'), '0\n');
  };
  const version2 = (controllers: string, given: string) => {
    writeFileSync(join(root, 'cgroup.controllers'), controllers);
    writeFileSync(join(root, 'cgroup.subtree_control'), given);
  };

  it('of version 1: one in each tree, with processors', () => {
    version1('cpu,cpuacct', 'cpuset', 'memory', 'pids');
    symlinkSync('cpu,cpuacct', join(root, 'cpu'));
    expect(cgroupVersion(root)).to.equal(1);
    makeCgroup('rdb-n1', 2, root);
    expect(readFileSync(join(root, 'cpuset', 'rdb-n1', 'cpuset.cpus'), 'utf8')).to.equal('0-1\n');
    expect(readFileSync(join(root, 'cpu', 'rdb-n1', 'cpu.shares'), 'utf8')).to.equal('2048');
    mkdirSync(join(root, 'memory', 'rdb-n1', 'kubepods', 'abc'), { recursive: true });
    writeFileSync(join(root, 'memory', 'rdb-n1', 'kubepods', 'abc', 'cgroup.procs'), '7\n9\n');
    writeFileSync(join(root, 'memory', 'rdb-n1', 'cgroup.procs'), '7\n8\n');
    expect([...cgroupProcesses('rdb-n1', root)].sort()).to.deep.equal([7, 8, 9]);
    expect(findCgroups('rdb-n1', 'abc', root)).to.deep.equal([
      join(root, 'memory', 'rdb-n1', 'kubepods', 'abc'),
    ]);
  });

  it('of version 2: one, the controllers passed on', () => {
    version2('cpuset cpu io memory pids\n', 'cpu memory\n');
    expect(cgroupVersion(root)).to.equal(2);
    makeCgroup('rdb-n1', 2, root);
    const given = readFileSync(join(root, 'cgroup.subtree_control'), 'utf8');
    expect(given).to.equal('+cpuset +pids');
    expect(readFileSync(join(root, 'rdb-n1', 'cpu.weight'), 'utf8')).to.equal('200');
    rmSync(join(root, 'rdb-n1', 'cpu.weight'));
    mkdirSync(join(root, 'rdb-n1', 'kubepods'));
    expect(removeCgroup('rdb-n1', root)).to.equal(true);
    expect(cgroupProcesses('rdb-n1', root)).to.deep.equal([]);
  });

  it('say what is missing', () => {
    expect(() => cgroupVersion(root)).to.throw(`No cgroups at ${root}: mount version 2 with`);
    version2('cpu memory\n', '');
    expect(() => cgroupVersion(root)).to.throw(/not listed in .*cgroup\.controllers: cpuset, pids/);
    rmSync(join(root, 'cgroup.controllers'));
    rmSync(join(root, 'cgroup.subtree_control'));
    version1('cpu', 'cpuset', 'pids');
    expect(() => cgroupVersion(root)).to.throw(/not mounted below .*: memory\./);
  });

  it('say what to do in a container whose root cgroup has processes', () => {
    version2('cpuset cpu memory pids\n', '');
    rmSync(join(root, 'cgroup.subtree_control'));
    // Readable, and not to be written even by root: as the kernel has it there.
    symlinkSync('/proc/self/status', join(root, 'cgroup.subtree_control'));
    expect(() => makeCgroup('rdb-n1', 2, root)).to.throw(
      /must first be moved out of the root cgroup/,
    );
  });
});
