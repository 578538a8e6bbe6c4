/** What the machine must have. On Debian (and its descendants) as root, what lacks is installed. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cgroupVersion } from './cgroups.ts';
import { ClusterError } from './errors.ts';
import { show } from './run.ts';

interface Tool {
  /** A command looked for in PATH, or an absolute path. */
  readonly name: string;
  readonly package: string;
}

const clusterTools: readonly Tool[] = [
  { name: 'containerd', package: 'containerd' },
  { name: 'ctr', package: 'containerd' },
  { name: 'runc', package: 'runc' },
  { name: '/usr/lib/cni/ptp', package: 'containernetworking-plugins' },
  { name: 'iptables', package: 'iptables' },
  { name: 'conntrack', package: 'conntrack' },
  { name: 'ethtool', package: 'ethtool' },
  { name: 'ip', package: 'iproute2' },
  { name: 'sysctl', package: 'procps' },
  { name: 'nsenter', package: 'util-linux' },
  { name: 'openssl', package: 'openssl' },
  { name: 'tar', package: 'tar' },
];

/** What the tests use beside the cluster. */
const testTools: readonly Tool[] = [
  { name: 'redis-cli', package: 'redis-tools' },
  { name: 'prometheus', package: 'prometheus' },
  { name: 'buildah', package: 'buildah' },
  // Peers of the benchmarks.
  { name: 'redis-server', package: 'redis-server' },
  { name: 'memcached', package: 'memcached' },
];

/** Throws ClusterError with everything that is missing, or installs it. */
export async function requireMachine(environment: NodeJS.ProcessEnv): Promise<void> {
  if (process.platform !== 'linux') {
    throw new ClusterError(
      'The test cluster needs Linux; elsewhere, use a virtual machine or --kubeconfig FILE.',
    );
  }
  if (process.getuid?.() !== 0) {
    throw new ClusterError(
      'The test cluster needs root (namespaces, mounts, cgroups): run it with sudo.',
    );
  }
  cgroupVersion();
  await requireTools([...clusterTools, ...testTools], environment);
  requireGo(environment);
}

export function requireGo(environment: NodeJS.ProcessEnv): void {
  if (findTool('go', environment) === undefined) {
    throw new ClusterError(
      'Go 1.24 or later builds Kubernetes once (https://go.dev/dl, or Debian 13: apt-get install golang-go).',
    );
  }
}

/** PATH, and the folders that users and sudo may lack in it: those of system tools and of Go. */
export function searchPath(environment: NodeJS.ProcessEnv): string {
  const folders = (environment['PATH'] ?? '').split(delimiter);
  const more = ['/usr/sbin', '/sbin', '/usr/local/go/bin'];
  return [...folders, ...more.filter((folder) => !folders.includes(folder))].join(delimiter);
}

/** Where a tool is, or undefined. */
export function findTool(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (name.startsWith('/')) return existsSync(name) ? name : undefined;
  const folders = (environment['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

async function requireTools(tools: readonly Tool[], environment: NodeJS.ProcessEnv): Promise<void> {
  const missing = tools.filter((tool) => findTool(tool.name, environment) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => tool.package))];
  const names = missing.map((tool) => tool.name).join(', ');
  const apt = findTool('apt-get', environment);
  if (apt === undefined) {
    throw new ClusterError(
      `Missing: ${names}. On Debian they are in the packages ${packages.join(' ')}; ` +
        'install what your distribution calls them.',
    );
  }
  process.stderr.write(`installing ${packages.join(' ')}\n`);
  const quiet = { environment: { ...environment, DEBIAN_FRONTEND: 'noninteractive' } };
  const install = [apt, 'install', '-y', '-qq', '--no-install-recommends', ...packages];
  if ((await show(install, quiet)) === 0) return;
  await show([apt, 'update', '-qq'], quiet);
  if ((await show(install, quiet)) !== 0) {
    throw new ClusterError(`apt-get can't install ${packages.join(' ')} (see above).`);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
