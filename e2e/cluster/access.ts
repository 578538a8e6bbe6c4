/** How others get at the running cluster: its network, its names, its API server's pulse. */
import { existsSync } from 'node:fs';
import { ClusterError } from './errors.ts';
import { controlPlane, inState, inside, type Layout } from './layout.ts';
import { signalServer } from './processes.ts';

/**
 * Words that run a command in the cluster's network, with the names of Services and pods resolved: the
 * machine's own resolver does not know them, so a mount that only the command sees says who does.
 */
export function inNetwork(layout: Layout, command: readonly string[]): readonly string[] {
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const words = ['unshare', '--mount', 'sh', '-c', script, inState.clientResolver(layout)];
  return [...inside(controlPlane.namespace), ...words, ...command];
}

/** Throws ClusterError unless the cluster was brought up. */
export function requireUp(layout: Layout): void {
  if (!existsSync(inState.complete(layout))) {
    throw new ClusterError('The cluster is not up: npm run cluster -- up');
  }
}

/** An API server that does not answer, until `continueApiServer`: connections stay open, nothing comes. */
export function stopApiServer(layout: Layout): void {
  signalApiServer(layout, 'SIGSTOP');
}

export function continueApiServer(layout: Layout): void {
  signalApiServer(layout, 'SIGCONT');
}

function signalApiServer(layout: Layout, signal: NodeJS.Signals): void {
  if (!signalServer(layout, 'apiserver', signal)) throw new ClusterError('the API server ended');
}
