/**
 * Cuts in the network, by dropping packets where they arrive: one way or both, and nothing but what
 * is named. Clients in the control plane's namespace keep their way to the pods when the API server
 * is cut off: only its own connections are.
 */
import { ClusterError } from './errors.ts';
import { apiServerPort, controlPlane, hosts, inside, kubeletPort } from './layout.ts';
import { attempt, run } from './run.ts';

/** `n1` and so on, `api` (the API server), `all` (everything else). */
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
    for (const [, from, to] of rules.stdout.matchAll(/--comment "?rdb-cut:(\w+):(\w+)"?/g)) {
      if (from !== undefined && to !== undefined) found.set(`${from}:${to}`, { from, to });
    }
  }
  return [...found.values()];
}

/** The rules that stop packets from one place to another. Throws ClusterError for unknown places. */
export function dropRules({ from, to }: Cut): readonly DropRule[] {
  if (from === to) throw new ClusterError(`cut: ${from} and ${to} are the same place`);
  const comment = ['-m', 'comment', '--comment', `rdb-cut:${from}:${to}`];
  const others = (name: string) => hosts.filter((host) => host.name !== name);
  if (from === 'all') {
    const drop = { namespace: hostOf(to).namespace, match: [...comment, '-i', 'eth0'] };
    return [drop];
  }
  if (to === 'all') {
    const sources = sourcesOf(from);
    return [controlPlane, ...others(from)].flatMap(({ namespace }) =>
      sources.map((source) => ({ namespace, match: [...comment, '-s', source] })),
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
  if (from === 'api') {
    const match = (...port: readonly string[]) => ({
      namespace: hostOf(to).namespace,
      match: [...comment, '-s', controlPlane.address, '-p', 'tcp', ...port],
    });
    return [match('--sport', `${apiServerPort}`), match('--dport', `${kubeletPort}`)];
  }
  const { namespace } = hostOf(to);
  return sourcesOf(from).map((source) => ({ namespace, match: [...comment, '-s', source] }));
}

/** `-D` lines that take our rules of a listing away. */
export function ourRules(listing: string): readonly (readonly string[])[] {
  return listing
    .split('\n')
    .filter((line) => line.includes('rdb-cut:'))
    .map((line) => line.replace(/^-A/, '-D').replaceAll('"', '').split(' '));
}

function sourcesOf(name: string): readonly string[] {
  const host = hostOf(name);
  return [`${host.address}/32`, host.pods];
}

function hostOf(name: string) {
  const host = hosts.find((each) => each.name === name);
  if (host === undefined) {
    const names = hosts.map((each) => each.name).join(', ');
    throw new ClusterError(`cut: no place "${name}"; there are ${names}, api and all`);
  }
  return host;
}

function iptables(namespace: string): readonly string[] {
  return [...inside(namespace), 'iptables', '--wait', ...chain];
}
