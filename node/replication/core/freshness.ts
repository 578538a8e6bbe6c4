/**
 * How old a replica's data may be, for reads that any replica may serve (`ANY_REPLICA`).
 *
 * A leader that holds all promises knows that nobody else has committed anything: what it has committed is all that
 * was ever acknowledged. It says so in its heartbeats, with a mark of the follower's clock that it has seen before; a
 * follower that has applied so much has all that was acknowledged before that mark. Committed entries are the same
 * everywhere, so a sequence is enough. What is once as fresh as a moment stays so, as long as the copy is kept.
 */

import type { Freshness } from './heartbeats.ts';
import { holdsCopy, type State } from './state.ts';

/** Not yet applied so far. */
export type Waiting = Pick<Freshness, 'committed' | 'asOfMs'>;

export interface KnownFreshness {
  asOfMs: number | undefined;
  /** The first that waits, and the last: in a replica that always lags a little the first would else be replaced. */
  first: Waiting | undefined;
  last: Waiting | undefined;
}

/** The commit index, for a heartbeat sent now; undefined: another may have committed more. */
export function committedIfHeld(state: State, nowMs: number): number | undefined {
  const { serving, log } = state;
  if (serving.role !== 'leader' || serving.alone || nowMs >= serving.readUntilMs) return undefined;
  return log.applied.sequence;
}

export function takeFreshness(state: State, { generation, committed, asOfMs }: Freshness): void {
  if (!holdsCopy(state, generation) || state.leadership !== undefined) return;
  settle(state);
  const { fresh } = state;
  fresh.last = { committed, asOfMs };
  fresh.first ??= fresh.last;
  settle(state);
}

/** The data has all that was acknowledged before that moment; undefined: nothing is known. */
export function freshAsOfMs(state: State): number | undefined {
  if (state.data.kind !== 'present') return undefined;
  keepFreshness(state);
  settle(state);
  return state.fresh.asOfMs;
}

/** A leader's data is as fresh as its promises. Called before `readUntilMs` may fall, as the data stays. */
export function keepFreshness({ serving, fresh, nowMs }: State): void {
  if (serving.role !== 'leader') return;
  // It holds no promise, and knows of no moment: clocks may begin near 0.
  if (serving.readUntilMs <= 0) return;
  fresh.asOfMs = Math.max(fresh.asOfMs ?? 0, Math.min(serving.readUntilMs, nowMs));
  fresh.first = undefined;
}

/** The copy is made anew. */
export const unknown = (): KnownFreshness => ({
  asOfMs: undefined,
  first: undefined,
  last: undefined,
});

function settle({ fresh, log, complete }: State): void {
  const { sequence } = log.applied;
  if (!complete) return;
  while (fresh.first !== undefined && fresh.first.committed <= sequence) {
    fresh.asOfMs = Math.max(fresh.asOfMs ?? 0, fresh.first.asOfMs);
    fresh.first = fresh.last === fresh.first ? undefined : fresh.last;
  }
}
