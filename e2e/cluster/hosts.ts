/** containerd, kubelet and kube-proxy of one host. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { makeCgroup } from './cgroups.ts';
import {
  controlPlane,
  type HostAddress,
  inState,
  type Layout,
  pauseImage,
  podCidr,
} from './layout.ts';
import { containerdReadyMs } from './limits.ts';
import { startServer } from './processes.ts';
import { attempt, run, until } from './run.ts';

/** The name in CNI's results folder, so that `down` knows its own files there. */
export const cniNetwork = 'rdb-pods';

/** Resolves once containerd answers. */
export async function startContainerd(layout: Layout, host: HostAddress): Promise<void> {
  const folder = inState.host(layout, host);
  for (const name of ['cni', 'kubelet', 'containerd', 'pods', 'run']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  makeCgroup(host.namespace, availableParallelism());
  writeFileSync(join(folder, 'cni', '10-pods.conflist'), cniConfiguration(folder, host));
  const snapshotter = (await overlayWorks(layout)) ? 'overlayfs' : 'native';
  writeFileSync(join(folder, 'containerd.toml'), containerdConfiguration(folder, snapshotter));
  startServer(layout, `containerd-${host.name}`, host.namespace, [
    ...['containerd', '--config', join(folder, 'containerd.toml')],
  ]);
  const version = ['ctr', '--address', inState.containerd(layout, host), 'version'];
  await until(
    `containerd of ${host.name} answers (${inState.log(layout, `containerd-${host.name}`)})`,
    containerdReadyMs,
    async () => existsSync(inState.containerd(layout, host)) && (await attempt(version)).code === 0,
  );
}

/** The API server must serve: kubelet reads its certificate. */
export function startKubelet(layout: Layout, host: HostAddress, kube: string): void {
  const folder = inState.host(layout, host);
  writeFileSync(join(folder, 'kubelet.yaml'), kubeletConfiguration(layout, host));
  startServer(layout, `kubelet-${host.name}`, host.namespace, [
    ...[kube, 'kubelet', '--config', join(folder, 'kubelet.yaml')],
    ...['--kubeconfig', inState.kubeconfig(layout, host.name)],
    ...['--root-dir', join(folder, 'kubelet'), '--cert-dir', join(folder, 'kubelet-pki')],
    ...['--hostname-override', host.name, '--node-ip', host.address],
    ...['--node-labels', `topology.kubernetes.io/zone=${host.zone}`],
  ]);
  startProxy(layout, host, kube);
}

function startProxy(
  layout: Layout,
  host: { readonly name: string; readonly namespace: string },
  kube: string,
): void {
  startServer(layout, `proxy-${host.name}`, host.namespace, [
    ...[kube, 'kube-proxy', '--kubeconfig', inState.kubeconfig(layout, 'proxy')],
    ...['--hostname-override', host.name, '--proxy-mode', 'iptables', '--cluster-cidr', podCidr],
    // The machine's limits of conntrack are not a namespace's to change.
    ...['--conntrack-max-per-core', '0', '--conntrack-tcp-timeout-established', '0'],
    ...['--conntrack-tcp-timeout-close-wait', '0'],
    ...['--healthz-bind-address', '127.0.0.1:10256', '--metrics-bind-address', '127.0.0.1:10249'],
  ]);
}

function cniConfiguration(folder: string, host: HostAddress): string {
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: cniNetwork,
    plugins: [
      {
        // Routed, not bridged: what goes from a pod to a Service and so to a pod of the same host
        // must come back through the host's rules, whether br_netfilter is loaded or not.
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(folder, 'ipam'),
          ranges: [[{ subnet: host.pods }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}

function containerdConfiguration(folder: string, snapshotter: string): string {
  const unused = ['btrfs', 'zfs', 'aufs', 'devmapper'].map(
    (name) => `"io.containerd.snapshotter.v1.${name}"`,
  );
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/run"
disabled_plugins = ["io.containerd.internal.v1.opt", ${unused.join(', ')}]
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE runc may not lower it, and no sandbox would start.
  restrict_oom_score_adj = true
  # So that the namespaces of pods are known to be ours when the cluster is taken down.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
`;
}

function kubeletConfiguration(layout: Layout, host: HostAddress): string {
  const folder = inState.host(layout, host);
  return `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://${inState.containerd(layout, host)}
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /${host.namespace}
enforceNodeAllocatable: []
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: ${join(inState.keys(layout), 'kubelet-client.crt')}}
authorization: {mode: Webhook}
clusterDNS: [${controlPlane.address}]
clusterDomain: cluster.local
resolvConf: ${inState.resolver(layout)}
podLogsDir: ${join(folder, 'pods')}
nodeStatusUpdateFrequency: 5s
nodeLeaseDurationSeconds: 15
syncFrequency: 10s
evictionHard: {memory.available: 100Mi}
# What a test kills again and again starts again at once, not after minutes.
featureGates: {KubeletCrashLoopBackOffMax: true}
crashLoopBackOff: {maxContainerRestartPeriod: 1s}
`;
}

/** An overlay can't lie on an overlay (a container's root): containerd copies there instead. */
async function overlayWorks(layout: Layout): Promise<boolean> {
  const root = join(layout.state, 'overlay');
  const folder = (name: string) => join(root, name);
  for (const name of ['lower', 'upper', 'work', 'merged']) {
    mkdirSync(folder(name), { recursive: true });
  }
  const options = `lowerdir=${folder('lower')},upperdir=${folder('upper')},workdir=${folder('work')}`;
  const mounted = await attempt([
    ...['mount', '-t', 'overlay', 'overlay', '-o', options, folder('merged')],
  ]);
  if (mounted.code !== 0) return false;
  await run(['umount', folder('merged')]);
  return true;
}
