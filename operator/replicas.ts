/** Asks the process of a node what it holds, and takes no other's answer for it. */
import type { NodeReplicas } from '@r-db/proto/replicas.ts';
import type { Context } from './context.ts';
import { ports } from './names.ts';
import type { ObservedNode } from './observe.ts';

/** Undefined if it does not answer. */
export async function replicasOf(
  { tools, cluster }: Context,
  { name, lease }: ObservedNode,
): Promise<NodeReplicas | undefined> {
  // Its other addresses have the same host; the port is the operator's own choice.
  const host = lease?.content?.addresses?.grpc[0]?.host;
  if (host === undefined) return undefined;
  const answer = await tools.askReplicas({ host, port: ports.metrics });
  const isIts = answer?.node === name && answer.clusterId === cluster.metadata.uid;
  return isIts ? answer : undefined;
}
