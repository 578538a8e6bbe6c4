/**
 * Which copies of each shard count, as far as can be told from outside: one whose incarnation is in the
 * in-sync set of the shard's Lease, is the one that the node's own Lease names, and runs in a ready pod.
 */
import { type Member, sameMember } from '@r-db/proto/leases.ts';
import { MIN_IN_SYNC, settingIn } from '../make/config.ts';
import type { Observed } from '../observe.ts';
import type { Resolved } from '../resolve.ts';
import { isReady } from './health.ts';

export interface Copies {
  /** Node of the leader, if it serves. */
  readonly leader: string | undefined;
  /** Nodes whose copies are in sync and serve, the leader's too. */
  readonly inSync: ReadonlySet<string>;
}

const NONE: Copies = { leader: undefined, inSync: new Set() };

/** By shard; one without a Lease that can be read has no copies. */
export function copiesOf(seen: Observed): (shard: number) => Copies {
  const serving = servingMembers(seen);
  const copies = new Map<number, Copies>();
  for (const [shard, { content }] of seen.shards) {
    if (content === undefined) continue;
    const serves = (member: Member) => sameMember(serving.get(member.node), member);
    const { leader, inSync } = content;
    copies.set(shard, {
      leader: leader !== undefined && serves(leader) ? leader.node : undefined,
      inSync: new Set(inSync.filter(serves).map(({ node }) => node)),
    });
  }
  return (shard) => copies.get(shard) ?? NONE;
}

/** Incarnations that run in ready pods, by node. */
function servingMembers(seen: Observed): ReadonlyMap<string, Member> {
  return new Map(
    seen.nodes.flatMap(({ name, pod, lease }) => {
      const { member, podUid } = lease?.content ?? {};
      const current = podUid === undefined || podUid === pod?.metadata.uid;
      return member !== undefined && current && isReady(pod) ? [[name, member] as const] : [];
    }),
  );
}

/** Shards whose leader serves. */
export function ledShards(seen: Observed): ReadonlySet<number> {
  const copies = copiesOf(seen);
  return new Set([...seen.shards.keys()].filter((shard) => copies(shard).leader !== undefined));
}

/** Shards that lack a copy in sync: fewer than there should be, or one that is assigned is not. */
export function unwholeShards({ cluster, shards }: Observed, copies: ReturnType<typeof copiesOf>) {
  const { shards: total, replicationFactor } = cluster.spec;
  return Array.from({ length: total }, (_, shard) => shard).filter((shard) => {
    const { inSync } = copies(shard);
    const assignment = shards.get(shard)?.content?.assignment ?? [];
    return inSync.size < replicationFactor || !assignment.every((node) => inSync.has(node));
  });
}

/**
 * What nodes are told of minInSyncReplicas. A higher one waits until every shard has so many copies in
 * sync: else no shard would take writes while its new copies catch up.
 */
export function inEffect(seen: Observed, resolved: Resolved): Resolved {
  const wanted = resolved.minInSyncReplicas;
  const before = Number(settingIn(seen.configMap, MIN_IN_SYNC));
  if (!Number.isInteger(before) || before < 1 || before >= wanted) return resolved;
  const copies = copiesOf(seen);
  const enough = Array.from(
    { length: seen.cluster.spec.shards },
    (_, shard) => copies(shard).inSync.size >= wanted,
  ).every((one) => one);
  return enough ? resolved : { ...resolved, minInSyncReplicas: before };
}
