import { join } from 'node:path';
import { ClusterError } from './errors.ts';
import { stateFolderBytesMax } from './limits.ts';

/** Where things are. Nothing is ever written into the checkout but `build/` folders. */
export interface Layout {
  readonly checkout: string;
  /** What is built once and kept: Kubernetes, helm, the image's base. */
  readonly cache: string;
  /** The running cluster: keys, logs, data. `down` removes it. */
  readonly state: string;
}

export interface HostAddress {
  /** Name of the Kubernetes node, `n1`. */
  readonly name: string;
  /** Its network namespace, `rdb-n1`. */
  readonly namespace: string;
  readonly zone: string;
  readonly address: string;
  /** The addresses of its pods, as CIDR. */
  readonly pods: string;
}

/** The control plane's host. Tests and their clients run here too: from it every pod is reachable. */
export const controlPlane = { namespace: 'rdb-cp', address: '10.249.0.1' } as const;
export const apiServerPort = 6443;
export const kubeletPort = 10250;
export const serviceCidr = '10.96.0.0/16';
export const podCidr = '10.248.0.0/16';
export const kubernetesVersion = '1.34.4';
export const pauseImage = 'rdb.dev/pause:1';

/** Three hosts in three zones, so that spreading over both shows. */
export const hosts: readonly HostAddress[] = [1, 2, 3].map((number) => ({
  name: `n${number}`,
  namespace: `rdb-n${number}`,
  zone: `z${number}`,
  address: `10.249.0.1${number}`,
  pods: `10.248.${number}.0/24`,
}));

export function layoutFrom(environment: NodeJS.ProcessEnv, checkout: string): Layout {
  const home = environment['HOME'] ?? '/root';
  const cache = join(environment['XDG_CACHE_HOME'] || join(home, '.cache'), 'r_db');
  // Fixed, since namespaces, cgroups and addresses are one set a machine as well.
  const state = '/var/lib/r_db-cluster';
  if (state.length > stateFolderBytesMax) throw new ClusterError(`too long a path: ${state}`);
  return { checkout, cache, state };
}

export const inState = {
  keys: (layout: Layout) => join(layout.state, 'pki'),
  log: (layout: Layout, name: string) => join(layout.state, 'log', `${name}.log`),
  process: (layout: Layout, name: string) => join(layout.state, 'pids', `${name}.json`),
  kubeconfig: (layout: Layout, user: string) => join(layout.state, 'pki', `${user}.conf`),
  host: (layout: Layout, host: HostAddress) => join(layout.state, host.name),
  containerd: (layout: Layout, host: HostAddress) =>
    join(layout.state, host.name, 'containerd.sock'),
  /** What kubelet takes as the host's; it adds the search domains of pods. */
  resolver: (layout: Layout) => join(layout.state, 'resolv.conf'),
  /** For commands in the cluster's network: as a pod of the namespace `default` has it. */
  clientResolver: (layout: Layout) => join(layout.state, 'client-resolv.conf'),
  audit: (layout: Layout) => join(layout.state, 'log', 'audit.log'),
  loaded: (layout: Layout) => join(layout.state, 'loaded.json'),
  /** Written last: the cluster came up whole. */
  complete: (layout: Layout) => join(layout.state, 'complete'),
};

/** Words that run a command inside a network namespace. `ip netns exec` would hide /sys/fs/cgroup. */
export function inside(namespace: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`];
}
