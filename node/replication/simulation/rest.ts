/** What must hold at rest: every shard is led and served, its set is its assignment, its copies are equal. */

import { nodeOf } from '../core/identity.ts';
import type { ShardChecker } from './checkers.ts';
import type { Cluster } from './cluster.ts';
import type { Replica } from './replica.ts';
import { Violation } from './world.ts';

/** Undefined at rest; else what is still to come. Throws Violation for what time can't mend. */
export function unrest(cluster: Cluster): string | undefined {
  const ending = cluster.processes.find(({ stopping }) => stopping);
  if (ending !== undefined) return `${ending.self} has not ended yet`;
  for (const checker of cluster.checkers) {
    const reason = unrestOf(cluster, checker);
    if (reason !== undefined) return `shard ${checker.shard}: ${reason}`;
  }
  return undefined;
}

function unrestOf(cluster: Cluster, checker: ShardChecker): string | undefined {
  const { shard } = checker;
  const lease = cluster.store.lease(shard);
  if (lease === undefined) return 'it has no Lease';
  const { leader, inSync, assignment } = lease;
  const process = cluster.leaderOf(shard);
  const replica = process?.replica(shard);
  if (process === undefined || replica === undefined) return `no leader: ${leader} is named`;
  const { serving } = replica;
  if (serving.role !== 'leader') return `${leader} does not lead`;
  if (!serving.writable || serving.readUntilMs <= process.nowMs) {
    return `${leader} does not serve: ${JSON.stringify(serving)}`;
  }
  const nodes = inSync.map(nodeOf).sort().join();
  if (nodes !== [...assignment].sort().join()) {
    return `the set is ${inSync}, assigned are ${assignment}`;
  }
  const others = inSync.map((one) => cluster.process(nodeOf(one))?.replica(shard));
  const { sequence } = replica.core.positions.applied;
  if (others.some((one) => one?.core.positions.applied.sequence !== sequence)) {
    return 'replicas have not applied the same';
  }
  checker.checkNothingLost(sequence);
  const content = contentOf(replica);
  for (const [index, other] of others.entries()) {
    if (other !== undefined && contentOf(other) === content) continue;
    throw new Violation('replicas-equal', `${inSync[index]} differs from ${leader}`);
  }
  return undefined;
}

const contentOf = ({ data }: Replica): string => JSON.stringify([...data].sort());
