/** Conditions as metav1.Condition means them. */
import { limits } from './limits.ts';
import { type ConditionType, reasons } from './reasons.ts';
import type { Condition } from './resource.ts';

/** One finding, before it is laid over what was said before. */
export interface Finding {
  readonly type: ConditionType;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export function finding<T extends ConditionType>(
  type: T,
  reason: keyof (typeof reasons)[T] & string,
  message = '',
): Finding {
  const row = (reasons[type] as Record<string, { status: boolean; meaning: string }>)[reason];
  if (row === undefined) throw new Error(`no reason ${reason} of condition ${type}`);
  return { type, status: row.status, reason, message: shorten(message || row.meaning) };
}

/**
 * The conditions as they are now. The transition time changes with the status only; the generation is
 * that of the spec which was looked at.
 */
export function conditionsOf(
  before: readonly Condition[],
  findings: readonly Finding[],
  { generation, nowMs }: { readonly generation: number; readonly nowMs: number },
): Condition[] {
  return findings.map(({ type, status, reason, message }) => {
    const old = before.find((condition) => condition.type === type);
    const text = status ? 'True' : 'False';
    const same = old?.status === text;
    return {
      type,
      status: text,
      observedGeneration: generation,
      lastTransitionTime: same ? old.lastTransitionTime : timeText(nowMs),
      reason,
      message,
    };
  });
}

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** At most so many names, and how many more there are. */
export function namesText(names: readonly (string | number)[]): string {
  const shown = names.slice(0, limits.namesInMessageMax).join(', ');
  const more = names.length - limits.namesInMessageMax;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** `0-20, 22`: shards as ranges, which the annotation takes as well. */
export function rangesText(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((left, right) => left - right);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function shorten(message: string): string {
  const max = limits.messageCharactersMax;
  return message.length <= max ? message : `${message.slice(0, max - 1)}…`;
}
