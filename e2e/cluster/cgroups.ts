/**
 * One cgroup a host, so that what ran on it can be found and ended. Version 1 (a tree a controller)
 * and version 2 (one tree) both do; kubelet makes the pods' own below.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ClusterError } from './errors.ts';

export type CgroupVersion = 1 | 2;

export const cgroupRoot = '/sys/fs/cgroup';
/** Of a cgroup of version 1 and 2: what the kernel gives one process. */
const sharesDefault = 1024;
const weightDefault = 100;
const needed = ['cpu', 'cpuset', 'memory', 'pids'];

/** Which version is mounted at `root`. Throws ClusterError with what is missing. */
export function cgroupVersion(root = cgroupRoot): CgroupVersion {
  const controllers = join(root, 'cgroup.controllers');
  if (existsSync(controllers)) {
    requireAll(readFileSync(controllers, 'utf8').trim().split(/\s+/), `listed in ${controllers}`);
    return 2;
  }
  const trees = existsSync(root) ? readdirSync(root) : [];
  if (trees.length === 0) {
    throw new ClusterError(
      `No cgroups at ${root}: mount version 2 with "mount -t cgroup2 none ${root}", ` +
        'or run the container that this is with its cgroup namespace writable.',
    );
  }
  requireAll(trees, `mounted below ${root}`);
  return 1;
}

/**
 * Makes the cgroup `/name`, its processors and controllers as those of the root. It weighs as much as so many processors,
 * as the pods of a machine of its own would: with the default all of a host together get as little as one other process.
 */
export function makeCgroup(name: string, processors: number, root = cgroupRoot): void {
  if (cgroupVersion(root) === 2) {
    delegate(root);
    mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, name, 'cpu.weight'), `${weightDefault * processors}`);
    return;
  }
  for (const tree of trees(root)) {
    mkdirSync(join(tree, name), { recursive: true });
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      // Empty in a new cpuset of version 1: no process could enter it.
      if (existsSync(join(tree, file))) {
        writeFileSync(join(tree, name, file), readFileSync(join(tree, file), 'utf8'));
      }
    }
    if (existsSync(join(tree, 'cpu.shares'))) {
      writeFileSync(join(tree, name, 'cpu.shares'), `${sharesDefault * processors}`);
    }
  }
}

/** All process IDs in the cgroup and below it. */
export function cgroupProcesses(name: string, root = cgroupRoot): readonly number[] {
  const ids = new Set<number>();
  for (const folder of foldersOf(name, root)) {
    try {
      const text = readFileSync(join(folder, 'cgroup.procs'), 'utf8');
      for (const line of text.split('\n')) if (line !== '') ids.add(Number(line));
    } catch {
      // removed meanwhile, or threaded
    }
  }
  return [...ids];
}

/** Removes the cgroup and all below it; true if nothing is left. Processes in it keep it. */
export function removeCgroup(name: string, root = cgroupRoot): boolean {
  let left = false;
  for (const folder of foldersOf(name, root)) {
    try {
      rmdirSync(folder);
    } catch {
      left = true;
    }
  }
  return !left;
}

/** Cgroups below `/name` whose own name holds `text`: a container's ID, say. */
export function findCgroups(name: string, text: string, root = cgroupRoot): readonly string[] {
  return foldersOf(name, root).filter((folder) => basename(folder).includes(text));
}

/** Deepest first. */
function foldersOf(name: string, root: string): readonly string[] {
  const found: string[] = [];
  const visit = (folder: string) => {
    for (const name of foldersIn(folder)) visit(join(folder, name));
    found.push(folder);
  };
  const version2 = existsSync(join(root, 'cgroup.controllers'));
  for (const tree of version2 ? [root] : trees(root)) {
    if (existsSync(join(tree, name))) visit(join(tree, name));
  }
  return found;
}

/** None of a cgroup that is removed meanwhile: a container that ends, while another one is looked for. */
function foldersIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The trees of version 1, each once: `cpu` and `cpuacct` are often links to one. */
function trees(root: string): readonly string[] {
  const found = new Set<string>();
  for (const entry of readdirSync(root)) {
    const tree = realpathSync(join(root, entry));
    if (statSync(tree).isDirectory() && existsSync(join(tree, 'cgroup.procs'))) found.add(tree);
  }
  return [...found];
}

function delegate(root: string): void {
  const file = join(root, 'cgroup.subtree_control');
  const given = readFileSync(file, 'utf8').trim().split(/\s+/);
  const missing = needed.filter((controller) => !given.includes(controller));
  if (missing.length === 0) return;
  try {
    writeFileSync(file, missing.map((controller) => `+${controller}`).join(' '));
  } catch {
    throw new ClusterError(
      `The controllers ${missing.join(', ')} can't be given to cgroups below ${root}. In a ` +
        'container, its processes must first be moved out of the root cgroup: ' +
        `mkdir ${root}/init && for p in $(cat ${root}/cgroup.procs); do ` +
        `echo $p >${root}/init/cgroup.procs; done`,
    );
  }
}

function requireAll(there: readonly string[], where: string): void {
  const missing = needed.filter((controller) => !there.includes(controller));
  if (missing.length > 0) {
    throw new ClusterError(
      `Kubernetes needs the cgroup controllers ${needed.join(', ')}; not ${where}: ` +
        `${missing.join(', ')}. They are enabled by the kernel's command line or its configuration.`,
    );
  }
}
