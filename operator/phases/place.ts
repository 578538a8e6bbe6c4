/**
 * Second phase: what the operator adds to nodes that run. Their host and zone, which pods can't see, go
 * into their Leases; labels and annotations of spec.podMetadata go onto live pods, without a restart.
 */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { ApiError, eachBounded } from '../api.ts';
import type { Context } from '../context.ts';
import { guarded, told } from '../ensure.ts';
import { isObject, type JsonObject } from '../json.ts';
import { limits } from '../limits.ts';
import type { PodTemplate } from '../make/template.ts';
import { annotations } from '../names.ts';
import { annotationOf, type Pod } from '../objects.ts';
import type { ObservedNode } from '../observe.ts';
import { isTerminating } from '../plan/health.ts';

export async function place(context: Context): Promise<void> {
  const { seen, found } = context;
  await eachBounded(seen.nodes, limits.requestsAtOnce, (node) => placeNode(context, node));
  const { template, statefulSet } = found;
  if (template === undefined || statefulSet === undefined) return;
  await eachBounded(seen.nodes, limits.requestsAtOnce, async ({ pod }) => {
    if (pod === undefined || isTerminating(pod)) return;
    const changed = withMetadata(pod, template);
    if (changed === undefined) return;
    await guarded(context, changed, () => context.tools.api.replace(RESOURCES.Pod, changed));
  });
}

async function placeNode(context: Context, { pod, lease }: ObservedNode): Promise<void> {
  const host = pod?.spec?.nodeName;
  if (host === undefined || lease?.content === undefined) return;
  const before = lease.content;
  // Where zones may not be read, one that somebody wrote for this host stays.
  const known = host === before.host ? before.zone : undefined;
  const zone = (await context.tools.zoneOf(host)) ?? known;
  if (host === before.host && zone === before.zone) return;
  const store = context.tools.leases(context.cluster.metadata.namespace);
  const change = { annotations: { [ANNOTATION.host]: host, [ANNOTATION.zone]: zone ?? null } };
  const outcome = await store.update(lease.lease, change);
  if (outcome.kind === 'won') return;
  const { message } = outcome;
  if (outcome.kind === 'refused' && outcome.reason === 'Forbidden') {
    return told(context, `Lease ${lease.lease.name}`, new ApiError('Forbidden', message));
  }
  throw new ApiError('Conflict', message);
}

/** The pod as it should be; undefined if it is so already. */
export function withMetadata(pod: Pod, template: PodTemplate): Pod | undefined {
  const before = listed(annotationOf(pod, annotations.podMetadata));
  const { [annotations.templateHash]: _, ...wantedTexts } = template.metadata.annotations;
  const labels = overlaid(pod.metadata.labels, before.labels, template.metadata.labels);
  const texts = overlaid(pod.metadata.annotations, before.annotations, wantedTexts);
  if (labels === undefined && texts === undefined) return undefined;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: labels ?? pod.metadata.labels ?? {},
      annotations: texts ?? pod.metadata.annotations ?? {},
    },
  };
}

/** Undefined if nothing changes. Names given before and no longer wanted are removed. */
function overlaid(
  actual: Readonly<Record<string, string>> = {},
  before: readonly string[],
  wanted: Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  const gone = before.filter((name) => name in actual && !(name in wanted));
  const same = Object.entries(wanted).every(([name, value]) => actual[name] === value);
  if (same && gone.length === 0) return undefined;
  const kept = Object.entries(actual).filter(([name]) => !gone.includes(name));
  return { ...Object.fromEntries(kept), ...wanted };
}

function listed(text: string | undefined): { labels: string[]; annotations: string[] } {
  let names: JsonObject = {};
  try {
    const parsed: unknown = JSON.parse(text ?? '{}');
    if (isObject(parsed)) names = parsed;
  } catch {
    // Edited by hand: nothing is known to be ours, so nothing is removed.
  }
  const of = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];
  return { labels: of(names['labels']), annotations: of(names['annotations']) };
}
