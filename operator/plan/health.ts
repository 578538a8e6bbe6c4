/** What a pod's status says, in words. */
import { limits } from '../limits.ts';
import type { ContainerStatus, Pod } from '../objects.ts';

/** Waiting reasons that time alone does not cure. */
const FAILING = new Set([
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImageInspectError',
  'ImagePullBackOff',
  'InvalidImageName',
  'RunContainerError',
]);

export function isReady(pod: Pod | undefined): boolean {
  if (pod === undefined || isTerminating(pod)) return false;
  return conditionOf(pod, 'Ready')?.status === 'True';
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

export interface PodFault {
  /** What is wrong, for a message; undefined while the pod is well or may still start. */
  readonly fault: string | undefined;
  /** When to look again, if only time can tell. */
  readonly againInMs: number | undefined;
}

export function podFault(pod: Pod | undefined, nowMs: number): PodFault {
  if (pod === undefined || isReady(pod)) return { fault: undefined, againInMs: undefined };
  const container = pod.status?.containerStatuses?.find((status) => failing(status) !== undefined);
  const reason = container === undefined ? undefined : failing(container);
  if (reason !== undefined) return { fault: reason, againInMs: undefined };
  const ready = conditionOf(pod, 'Ready');
  const since = Date.parse(ready?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? '');
  const leftMs = since + limits.unhealthyAfterMs - nowMs;
  if (!(leftMs <= 0))
    return { fault: undefined, againInMs: Number.isNaN(leftMs) ? undefined : leftMs };
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status === 'False') {
    return { fault: `can't be scheduled: ${scheduled.message ?? ''}`, againInMs: undefined };
  }
  return { fault: 'not ready for more than a minute', againInMs: undefined };
}

function failing({ state, lastState, restartCount = 0 }: ContainerStatus): string | undefined {
  const { reason, message } = state?.waiting ?? {};
  if (reason === undefined || !FAILING.has(reason)) return undefined;
  if (reason !== 'CrashLoopBackOff')
    return message === undefined ? reason : `${reason}: ${message}`;
  const code = lastState?.terminated?.exitCode;
  const ended = code === undefined ? '' : `, last exit code ${code}`;
  return `${reason} (${restartCount} restarts${ended})`;
}

function conditionOf(pod: Pod, type: string) {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}
