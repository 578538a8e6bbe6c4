/**
 * Each host is a network namespace, all on one bridge with no way out: nothing that runs in the
 * cluster can reach another network, and faults are a matter of a link or a rule.
 */
import { controlPlane, type HostAddress, hosts, inside } from './layout.ts';
import { attempt, run } from './run.ts';

export async function makeNetwork(): Promise<void> {
  await run(['ip', '-batch', '-'], {
    input: [controlPlane.namespace, ...hosts.map((host) => host.namespace)]
      .map((name) => `netns add ${name}\n`)
      .join(''),
  });
  const links = hosts.map(
    (host, index) =>
      `link add eth0 netns ${host.namespace} type veth peer name v${index + 1} netns ${controlPlane.namespace}\n`,
  );
  await run(['ip', '-batch', '-'], { input: links.join('') });
  await Promise.all([configureControlPlane(), ...hosts.map(configureHost)]);
}

/** Removes our namespaces; what is in them goes with them. */
export async function removeNetwork(): Promise<void> {
  for (const name of await ourNamespaces()) await run(['ip', 'netns', 'del', name]);
}

export async function ourNamespaces(): Promise<readonly string[]> {
  const there = (await attempt(['ip', 'netns', 'list'])).stdout
    .split('\n')
    .map((line) => line.split(' ')[0]);
  const ours = [controlPlane.namespace, ...hosts.map((host) => host.namespace)];
  return ours.filter((name) => there.includes(name));
}

async function configureControlPlane(): Promise<void> {
  const commands = [
    'link set lo up',
    'link add br0 type bridge',
    `addr add ${controlPlane.address}/24 dev br0`,
    'link set br0 up',
    // A default route, though it leads nowhere: servers look for one to learn their own address.
    'route add default via 10.249.0.254 dev br0',
    ...hosts.map((_, index) => `link set v${index + 1} master br0 up`),
    ...hosts.map((host) => `route add ${host.pods} via ${host.address}`),
  ];
  await configure(controlPlane.namespace, commands);
}

async function configureHost(host: HostAddress): Promise<void> {
  const commands = [
    'link set lo up',
    `addr add ${host.address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${controlPlane.address}`,
    ...hosts
      .filter((other) => other !== host)
      .map((other) => `route add ${other.pods} via ${other.address}`),
  ];
  await configure(host.namespace, commands);
}

async function configure(namespace: string, commands: readonly string[]): Promise<void> {
  const batch = { input: commands.map((line) => `${line}\n`).join('') };
  await run([...inside(namespace), 'ip', '-batch', '-'], batch);
  await run([...inside(namespace), 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
}
