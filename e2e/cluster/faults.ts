/**
 * Cuts in the network, by dropping packets where they arrive: one way or both, and nothing but what
 * is named. Clients in the control plane's namespace keep their way to the pods when the API server
 * is cut off: only its own connections are.
 */
import { isIPv4 } from 'node:net';
import { ClusterError } from './errors.ts';
import {
  apiServerPort,
  controlPlane,
  type HostAddress,
  hosts,
  inside,
  kubeletPort,
} from './layout.ts';
import { attempt, run } from './run.ts';

/** `n1` and so on, a pod's address, `api` (the API server), `all` (everything else). */
export type Place = string;

export interface Cut {
  readonly from: Place;
  readonly to: Place;
}

/** One iptables rule: where it stands and what it matches. */
export interface DropRule {
  readonly namespace: string;
  readonly match: readonly string[];
}

const chain = ['-t', 'raw'] as const;

/** From then on, nothing passes `from` -> `to`; unless `oneWay`, nor back. */
export async function cut(
  from: Place,
  to: Place,
  options: { oneWay?: boolean } = {},
): Promise<void> {
  const cuts: Cut[] =
    options.oneWay === true
      ? [{ from, to }]
      : [
          { from, to },
          { from: to, to: from },
        ];
  for (const { namespace, match } of cuts.flatMap(dropRules)) {
    const rule = ['PREROUTING', ...match, '-j', 'DROP'];
    const there = await attempt([...iptables(namespace), '-C', ...rule]);
    if (there.code !== 0) await run([...iptables(namespace), '-I', ...rule]);
  }
}

/** Ends all cuts. */
export async function heal(): Promise<void> {
  for (const { namespace } of [controlPlane, ...hosts]) {
    const rules = await run([...iptables(namespace), '-S', 'PREROUTING']);
    for (const line of ourRules(rules)) await run([...iptables(namespace), ...line]);
  }
}

/** Cuts in force, each direction for itself. */
export async function cutsInForce(): Promise<readonly Cut[]> {
  const found = new Map<string, Cut>();
  for (const { namespace } of [controlPlane, ...hosts]) {
    const rules = await attempt([...iptables(namespace), '-S', 'PREROUTING']);
    for (const [, from, to] of rules.stdout.matchAll(/--comment "?rdb-cut:([\w.]+):([\w.]+)"?/g)) {
      if (from !== undefined && to !== undefined) found.set(`${from}:${to}`, { from, to });
    }
  }
  return [...found.values()];
}

/** The rules that stop packets from one place to another. Throws ClusterError for unknown places. */
export function dropRules({ from, to }: Cut): readonly DropRule[] {
  if (from === to) throw new ClusterError(`cut: ${from} and ${to} are the same place`);
  const comment = ['-m', 'comment', '--comment', `rdb-cut:${from}:${to}`];
  if (from === 'all') {
    const target = targetOf(to);
    return [{ ...target, match: [...comment, '-i', 'eth0', ...target.match] }];
  }
  if (to === 'all') {
    const others = hosts.filter((host) => host !== hostOf(from));
    return [controlPlane, ...others].flatMap(({ namespace }) =>
      sourcesOf(from).map((source) => ({ namespace, match: [...comment, '-s', source] })),
    );
  }
  if (to === 'api') {
    const match = (source: string, ...port: readonly string[]) => ({
      namespace: controlPlane.namespace,
      match: [...comment, '-s', source, '-p', 'tcp', ...port],
    });
    return sourcesOf(from).flatMap((source) => [
      match(source, '--dport', `${apiServerPort}`),
      match(source, '--sport', `${kubeletPort}`),
    ]);
  }
  const target = targetOf(to);
  if (from === 'api') {
    const match = (...port: readonly string[]) => ({
      ...target,
      match: [...comment, '-s', controlPlane.address, ...target.match, '-p', 'tcp', ...port],
    });
    return [match('--sport', `${apiServerPort}`), match('--dport', `${kubeletPort}`)];
  }
  return sourcesOf(from).map((source) => ({
    ...target,
    match: [...comment, '-s', source, ...target.match],
  }));
}

/** `-D` lines that take our rules of a listing away. */
export function ourRules(listing: string): readonly (readonly string[])[] {
  return listing
    .split('\n')
    .filter((line) => line.includes('rdb-cut:'))
    .map((line) => line.replace(/^-A/, '-D').replaceAll('"', '').split(' '));
}

/** Addresses from which a place sends. */
function sourcesOf(place: Place): readonly string[] {
  const host = hostOf(place);
  return host.name === place ? [`${host.address}/32`, host.pods] : [`${place}/32`];
}

/** Where what is sent to a place arrives, and what tells it from other arrivals there. */
function targetOf(place: Place): DropRule {
  const { name, namespace } = hostOf(place);
  return { namespace, match: name === place ? [] : ['-d', `${place}/32`] };
}

/** The host of that name, or that of the pod with that address. */
function hostOf(place: Place): HostAddress {
  const host = hosts.find(({ name, pods }) => {
    const network = pods.replace(/\.0\/24$/, '.');
    return name === place || (isIPv4(place) && place.startsWith(network));
  });
  if (host === undefined) {
    const names = hosts.map((each) => each.name).join(', ');
    throw new ClusterError(
      `cut: no place "${place}"; there are ${names}, pods' addresses, api and all`,
    );
  }
  return host;
}

function iptables(namespace: string): readonly string[] {
  return [...inside(namespace), 'iptables', '--wait', ...chain];
}
