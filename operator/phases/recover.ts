/**
 * Fourth phase: shards that lost every copy are started again (rule 15), Leases that were deleted
 * are made again (rule 16). What a cache says is never enough to give up data: before each write the Lease,
 * the node's Lease and the pod are read from the API server, in this order, and judged once more.
 */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import type { LeaseAdmin } from '@r-db/leases/store.ts';
import {
  formatShardLease,
  nodeLeaseName,
  parseNodeLease,
  parseShardLease,
  type ShardLeaseContent,
} from '@r-db/proto/leases.ts';
import { ApiError, eachBounded } from '../api.ts';
import { type Context, lookAgain } from '../context.ts';
import { told } from '../ensure.ts';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import { annotationOf, type Pod } from '../objects.ts';
import type { Observed, ObservedNode } from '../observe.ts';
import { isReady } from '../plan/health.ts';
import { findLosses, type Loss, lossOf } from '../plan/losses.ts';

export async function recover(context: Context): Promise<void> {
  const { seen, found, tools, nowMs } = context;
  const losses = findLosses(seen, { memory: tools.memory, nowMs });
  const due: Loss[] = [];
  for (const loss of losses) {
    found.lost.add(loss.shard);
    const verdict = judge(context, loss);
    if (verdict === 'now') due.push(loss);
    else if (verdict === 'held') found.held.add(loss.shard);
    else lookAgain(found, loss.dueMs - nowMs);
  }
  await eachBounded(due, limits.requestsAtOnce, (loss) => restart(context, loss));
}

/** Whether a loss may be acted on: by policy and time, or by a person's word. */
export function judge(context: Context, loss: Loss): 'now' | 'later' | 'held' {
  const { acceptance, resolved, nowMs } = context;
  if (acceptance.shards.has(loss.shard)) return 'now';
  if (loss.nodes.every((node) => isReplacement(context, node)))
    return loss.cause === 'PodVanished' ? due(loss, nowMs) : 'now';
  return resolved.totalLoss === 'Hold' ? 'held' : due(loss, nowMs);
}

function due(loss: Loss, nowMs: number): 'now' | 'later' {
  return loss.dueMs <= nowMs ? 'now' : 'later';
}

/** Whoever accepted a new template's cost accepted the data of each node that it replaces. */
function isReplacement({ acceptance, found, seen }: Context, node: string): boolean {
  const hash = found.template?.hash;
  if (hash === undefined || acceptance.templateHash !== hash) return false;
  const pod = seen.nodes.find(({ name }) => name === node)?.pod;
  return pod === undefined || annotationOf(pod, annotations.templateHash) === hash;
}

/** Writes the next generation, free for the first of the assignment. */
async function restart(context: Context, loss: Loss): Promise<void> {
  const { seen, tools, cluster, found } = context;
  const store = tools.leases(cluster.metadata.namespace);
  const name = seen.shards.get(loss.shard)?.lease.name;
  const lease = name === undefined ? undefined : await read(store, name);
  if (lease === undefined) return;
  const parsed = parseShardLease(lease);
  if (!parsed.ok) return;
  let fresh = seen;
  for (const node of new Set(parsed.content.inSync.map((member) => member.node))) {
    fresh = await reread(context, store, { seen: fresh, node });
  }
  const again = lossOf(parsed.content.inSync, fresh, {
    memory: tools.memory,
    nowMs: tools.nowMs(),
  });
  if (again === undefined || judge(context, { ...again, shard: loss.shard }) !== 'now') {
    return lookAgain(found, limits.failoverSettledMs);
  }
  const next = nextGeneration(parsed.content, { ...loss, ...again }, fresh, tools.nowMs());
  const outcome = await store.update(lease, formatShardLease(next, tools.nowMs()));
  if (outcome.kind === 'won') {
    found.lost.delete(loss.shard);
  } else if (outcome.kind === 'refused' && outcome.reason === 'Forbidden') {
    told(context, `Lease ${lease.name}`, new ApiError('Forbidden', outcome.message));
  } else {
    throw new ApiError('Conflict', outcome.message);
  }
}

/** A node that is there comes first: the first of the assignment takes a Lease that is free. */
function nextGeneration(
  content: ShardLeaseContent,
  loss: Loss,
  { nodes }: Observed,
  nowMs: number,
): ShardLeaseContent {
  const there = new Set(nodes.filter(({ pod }) => isReady(pod)).map(({ name }) => name));
  const { assignment } = content;
  return {
    ...content,
    assignment: [
      ...assignment.filter((node) => there.has(node)),
      ...assignment.filter((node) => !there.has(node)),
    ],
    inSync: [],
    leader: undefined,
    generation: content.generation + 1,
    revision: content.revision + 1,
    lastFailover: {
      // The one that led, if it is told.
      node: content.leader?.node ?? loss.node,
      cause: loss.cause,
      time: new Date(nowMs).toISOString(),
      detectionMilliseconds: Math.max(0, Math.round(nowMs - loss.sinceMs)),
      promotionMilliseconds: 0,
    },
  };
}

/** What was seen, with one node as the API server knows it now. */
async function reread(
  context: Context,
  store: LeaseAdmin,
  { seen, node }: { readonly seen: Observed; readonly node: string },
): Promise<Observed> {
  const { cluster, tools } = context;
  const old = seen.nodes.find(({ name }) => name === node);
  if (old === undefined) return seen;
  const { namespace, name } = cluster.metadata;
  const lease = await read(store, nodeLeaseName(name, old.ordinal));
  const parsed = lease === undefined ? undefined : parseNodeLease(lease);
  const pod = (await tools.api.get(RESOURCES.Pod, { namespace, name: node })) as Pod | undefined;
  const fresh: ObservedNode = {
    ...old,
    pod,
    lease:
      lease === undefined
        ? undefined
        : { lease, content: parsed?.ok === true ? parsed.content : undefined },
  };
  return { ...seen, nodes: seen.nodes.map((other) => (other === old ? fresh : other)) };
}

async function read(store: LeaseAdmin, name: string) {
  try {
    return await store.get(name);
  } catch (error) {
    if (!(error instanceof LeaseStoreError)) throw error;
    const code = error.code === 'Forbidden' ? 'Forbidden' : 'Unavailable';
    throw new ApiError(code, error.message, { cause: error });
  }
}
