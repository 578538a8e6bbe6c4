/**
 * Fifth phase: pods made from an older template are deleted, one at a time, and come again with the new
 * one. With one copy that loses a node's data, so it waits for a person's word.
 */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { type Context, lookAgain } from '../context.ts';
import { guarded } from '../ensure.ts';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import { annotationOf, keyOf } from '../objects.ts';
import { planRoll } from '../plan/roll.ts';

export async function roll(context: Context): Promise<void> {
  const { seen, found, tools, acceptance, cluster } = context;
  const { template, statefulSet } = found;
  if (template === undefined) return;
  const { hash } = template;
  found.roll = planRoll(seen, { hash, accepted: acceptance.templateHash === hash });
  if (found.roll.kind !== 'replace' || cluster.spec.paused || statefulSet === undefined) return;
  if (annotationOf(statefulSet, annotations.templateHash) !== hash) return;
  // Before the StatefulSet's controller knows the new template it would make the old pod again.
  const observed = statefulSet.status?.['observedGeneration'];
  if (observed !== statefulSet.metadata.generation) {
    return lookAgain(found, limits.failoverSettledMs);
  }
  const { pod, name } = found.roll.node;
  const { uid, resourceVersion } = pod?.metadata ?? {};
  if (pod === undefined || uid === undefined || resourceVersion === undefined) return;
  await tools.events.record(cluster, {
    reason: 'ReplacingNode',
    type: 'Normal',
    message: `Deleting pod ${name}, so that it comes again from template ${hash}`,
    occasion: `${uid} ${hash}`,
  });
  await guarded(context, { kind: 'Pod', metadata: { name } }, () =>
    tools.api.delete(RESOURCES.Pod, keyOf(pod), { uid, resourceVersion }),
  );
}
