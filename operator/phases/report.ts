/** Last phase: Events for what changed, then the status. Nothing is written if nothing changed. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import type { Context } from '../context.ts';
import { guarded } from '../ensure.ts';
import type { NewEvent } from '../events.ts';
import { canonicalJson, type Json } from '../json.ts';
import { buildStatus } from '../plan/status.ts';
import type { EventReason } from '../reasons.ts';
import { asObject, type Condition, type RDbCluster, type RDbClusterStatus } from '../resource.ts';
import { rememberTold, settleAcceptance, tellFailovers, tellRises } from './tell.ts';

export async function report(context: Context): Promise<RDbClusterStatus> {
  const told = await tellRises(context);
  await tellFailovers(context);
  const cluster = await settleAcceptance(context);
  const status = buildStatus(context);
  if (!isSame(context.cluster.status, status)) {
    for (const event of eventsOf(context.cluster, status)) {
      await context.tools.events.record(cluster, event);
    }
    const changed = asObject({ ...cluster, status });
    await guarded(context, changed, () =>
      context.tools.api.replace(RESOURCES.RDbCluster, changed, 'status'),
    );
  }
  if (told !== undefined) await rememberTold(context, told);
  return status;
}

function isSame(before: RDbClusterStatus | undefined, after: RDbClusterStatus): boolean {
  return (
    canonicalJson((before ?? null) as unknown as Json) === canonicalJson(after as unknown as Json)
  );
}

interface Telling {
  readonly condition: string;
  /** Told when the condition comes to have this reason. */
  readonly reason: string;
  readonly event: EventReason;
  readonly type: 'Normal' | 'Warning';
}

const TELLINGS: readonly Telling[] = [
  { condition: 'Progressing', reason: 'Creating', event: 'Creating', type: 'Normal' },
  { condition: 'Available', reason: 'ShardsLed', event: 'Available', type: 'Normal' },
  { condition: 'Available', reason: 'ShardsWithoutLeader', event: 'Unavailable', type: 'Warning' },
  { condition: 'Available', reason: 'NotEnoughInSync', event: 'Unavailable', type: 'Warning' },
  { condition: 'Degraded', reason: 'DataLossHeld', event: 'DataLossHeld', type: 'Warning' },
  { condition: 'Degraded', reason: 'ForeignObject', event: 'ForeignObject', type: 'Warning' },
  { condition: 'Degraded', reason: 'Forbidden', event: 'Forbidden', type: 'Warning' },
  { condition: 'ConfigurationValid', reason: 'Rejected', event: 'Rejected', type: 'Warning' },
  {
    condition: 'Progressing',
    reason: 'AwaitingDataLossAcceptance',
    event: 'AwaitingDataLossAcceptance',
    type: 'Warning',
  },
];

/** The occasion is made of what stands in the status now: told again only if it happens again. */
export function eventsOf(cluster: RDbCluster, status: RDbClusterStatus): NewEvent[] {
  return TELLINGS.flatMap(({ condition, reason, event, type }) => {
    const before = find(cluster.status?.conditions, condition);
    const after = find(status.conditions, condition);
    if (after?.reason !== reason || before?.reason === reason) return [];
    const occasion = `${before?.reason ?? 'none'} ${before?.lastTransitionTime ?? ''}`;
    return [{ reason: event, type, message: after.message, occasion }];
  });
}

function find(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
