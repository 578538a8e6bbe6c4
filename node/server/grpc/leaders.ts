/** What to tell a client whose shard is led elsewhere, or by nobody. */
import type { LeaderHint, OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type { GrpcContext } from './context.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { operationError } from './status.ts';

/** NOT_LEADER with the leader's addresses, or NO_LEADER where none other than this node is known. */
export function notLeader(context: GrpcContext, shard: number): OperationError {
  const leader = leaderHint(context, shard);
  if (leader === undefined) {
    return operationError('NO_LEADER', `no node is known to lead shard ${shard}`, {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }
  return operationError('NOT_LEADER', `shard ${shard} is led by ${leader.node}`, { leader });
}

function leaderHint(context: GrpcContext, shard: number): LeaderHint | undefined {
  const { topology, identity, otherLeader } = context;
  const current = topology.current();
  const name = otherLeader(shard) ?? current?.shards[shard]?.leader;
  // While this node is named but does not serve, it takes over or gives up: that passes.
  if (name === undefined || name === identity.node) return undefined;
  const addresses = current?.nodes.find((node) => node.name === name)?.addresses;
  if (addresses === undefined) return undefined;
  return { shard, node: name, grpc: { ...addresses.grpc }, resp: { ...addresses.resp } };
}
