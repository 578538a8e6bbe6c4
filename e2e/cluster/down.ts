/** Takes the cluster down: what `up` started, and nothing else. Works on a half-built one too. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupProcesses, removeCgroup } from './cgroups.ts';
import { cniNetwork } from './hosts.ts';
import { hosts, inState, type Layout } from './layout.ts';
import { processEndMs } from './limits.ts';
import { removeNetwork } from './network.ts';
import { endProcesses, endServers, processesWith, serverNames, startTimeOf } from './processes.ts';
import { run, until } from './run.ts';

/** Returns false if there was nothing to take down. */
export async function down(layout: Layout): Promise<boolean> {
  const there = existsSync(layout.state);
  // First who would start containers again, then the containers, then the rest.
  const names = serverNames(layout);
  await endServers(
    layout,
    names.filter((name) => /^(kubelet|proxy|containerd)-/.test(name)),
  );
  await endContainers(layout);
  await endServers(layout, names);
  for (const mount of mountsBelow(layout.state)) await run(['umount', '--lazy', mount]);
  await removeNetwork();
  for (const host of hosts) {
    await until(`cgroup ${host.namespace} is empty`, processEndMs, () =>
      removeCgroup(host.namespace),
    );
  }
  removeCniResults();
  rmSync(layout.state, { recursive: true, force: true });
  return there;
}

/** Kills what is in the hosts' cgroups, and containerd's shims, which are not. */
async function endContainers(layout: Layout): Promise<void> {
  const shims = hosts.flatMap((host) =>
    processesWith(`-address\0${inState.containerd(layout, host)}`),
  );
  const sockets = hosts.flatMap((host) => shimSockets(join(inState.host(layout, host), 'run')));
  const contained = hosts.flatMap((host) =>
    cgroupProcesses(host.namespace).flatMap((pid) => {
      const startTime = startTimeOf(pid);
      return startTime === undefined ? [] : { pid, startTime };
    }),
  );
  await endProcesses([...contained, ...shims]);
  for (const socket of sockets) rmSync(socket, { force: true });
}

/** A shim's socket lies in a folder of the whole machine; its address is in the container's. */
function shimSockets(run: string): readonly string[] {
  const tasks = join(run, 'io.containerd.runtime.v2.task', 'k8s.io');
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks).flatMap((id) => {
    const file = join(tasks, id, 'address');
    return existsSync(file) ? readFileSync(file, 'utf8').replace(/^unix:\/\//, '') : [];
  });
}

/** Deepest first. */
export function mountsBelow(folder: string): readonly string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((path) => path.startsWith(`${folder}/`));
  return mounts.sort().reverse();
}

/** CNI notes every interface in a folder of the whole machine, by container; ours are in our network. */
function removeCniResults(): void {
  const folder = '/var/lib/cni/results';
  if (!existsSync(folder)) return;
  const names = readdirSync(folder);
  const containers = names.flatMap(
    (name) => name.match(`^${cniNetwork}-([0-9a-f]{64})-`)?.[1] ?? [],
  );
  for (const name of names) {
    if (containers.some((id) => name.includes(id))) rmSync(join(folder, name));
  }
}
