/**
 * Makes one cluster be as its spec says, as far as can be done now, and says how it stands.
 *
 * Level-based: everything is derived from what the API server holds, so it does not matter how often
 * this runs, nor where an earlier run was cut off. Phases, in this order: provision, place, assign,
 * recover, roll, report.
 */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { isApiError, type View } from './api.ts';
import {
  type Context,
  type Figures,
  isBlocked,
  lookAgain,
  noFindings,
  type Tools,
} from './context.ts';
import { messageOf } from './errors.ts';
import { limits } from './limits.ts';
import { buildTemplate } from './make/template.ts';
import { annotations } from './names.ts';
import { annotationOf, type ObjectKey } from './objects.ts';
import { observe } from './observe.ts';
import { assign } from './phases/assign.ts';
import { place } from './phases/place.ts';
import { imageOf, provision } from './phases/provision.ts';
import { recover } from './phases/recover.ts';
import { relink } from './phases/relink.ts';
import { report } from './phases/report.ts';
import { roll } from './phases/roll.ts';
import { readAcceptance } from './plan/acceptance.ts';
import { inEffect } from './plan/copies.ts';
import { findLosses } from './plan/losses.ts';
import { planRoll } from './plan/roll.ts';
import { resolve } from './resolve.ts';
import { asCluster, type RDbClusterStatus } from './resource.ts';

export interface Outcome {
  /** `gone`: there is no such cluster (any more). `blocked`: a person must act; try again with backoff. */
  readonly kind: 'gone' | 'done' | 'blocked';
  readonly status: RDbClusterStatus | undefined;
  readonly againInMs: number | undefined;
}

export interface ReconcileOptions {
  readonly figures?: Figures | undefined;
  /** Failed reconciles of this cluster before this one. */
  readonly failures?: number;
}

const GONE: Outcome = { kind: 'gone', status: undefined, againInMs: undefined };

/** Throws ApiError for what may work later. */
export async function reconcile(
  tools: Tools,
  view: View,
  key: ObjectKey,
  { figures, failures = 0 }: ReconcileOptions = {},
): Promise<Outcome> {
  const object = await view.get(RESOURCES.RDbCluster, key);
  if (object === undefined) return GONE;
  const cluster = asCluster(object);
  // Owner references take everything with it; whatever is made now would only be in the way.
  if (cluster.metadata.deletionTimestamp !== undefined) return GONE;
  const seen = await observe(view, cluster);
  const nowMs = tools.nowMs();
  const context: Context = {
    tools,
    seen,
    cluster,
    resolved: inEffect(seen, resolve(cluster)),
    acceptance: readAcceptance(cluster),
    figures,
    nowMs,
    found: noFindings(),
  };
  remember(context);
  await carryOut(context, view, failures);
  const status = await report(context);
  const { found } = context;
  const blocked = isBlocked(found);
  return { kind: blocked ? 'blocked' : 'done', status, againInMs: found.againInMs };
}

async function carryOut(context: Context, view: View, failures: number): Promise<void> {
  const { found, cluster, resolved } = context;
  if (resolved.problems.length > 0) return;
  if (cluster.spec.paused) return lookOn(context);
  try {
    await provision(context, view);
    await place(context);
    await assign(context);
    await recover(context);
    await relink(context);
    await roll(context);
  } catch (error) {
    // What passes by itself is no news; what stays is worth a condition, if it can be written.
    if (isApiError(error, 'Conflict', 'NotFound', 'AlreadyExists')) throw error;
    if (!isApiError(error) || failures < limits.failuresUntold) throw error;
    found.failures.push(messageOf(error));
    await report(context);
    throw error;
  }
}

/** Paused: finds out what it would do, and does nothing. */
function lookOn(context: Context): void {
  const { seen, found, cluster, resolved, acceptance, tools, nowMs } = context;
  const template = buildTemplate(cluster, resolved, imageOf(context));
  found.template = template;
  if (seen.statefulSet !== undefined) {
    found.statefulSet = seen.statefulSet;
    found.complete = annotationOf(seen.statefulSet, annotations.templateHash) === template.hash;
  }
  const accepted = acceptance.templateHash === template.hash;
  found.roll = planRoll(seen, { hash: template.hash, accepted });
  for (const { shard } of findLosses(seen, { memory: tools.memory, nowMs })) found.lost.add(shard);
  lookAgain(found, limits.resyncMs);
}

/** What the API server may no longer show when it is needed. */
function remember({ seen, cluster, tools }: Context): void {
  const { memory } = tools;
  for (const { pod, lease } of seen.nodes) {
    if (pod !== undefined) memory.sawPod(pod);
    const { member, podUid } = lease?.content ?? {};
    if (member !== undefined && podUid !== undefined) {
      memory.sawMember(cluster.metadata.uid, member, podUid);
    }
  }
  for (const [shard, { content }] of seen.shards) {
    if (content !== undefined) memory.sawShard(cluster.metadata.uid, shard, content);
  }
}
