/** The state of one core, shared by the files that hold its rules. */

import type { Backoff } from './backoff.ts';
import { type Epoch, type Generation, type Incarnation, nodeOf } from './identity.ts';
import type { CoreEvent, CoreServing, Effect, TotalLoss } from './io.ts';
import type { CurrentLease, LeaseEdit } from './lease.ts';
import type { LeaseTracker } from './tracker.ts';

export interface CoreOptions {
  readonly self: Incarnation;
  /**
   * Incarnations that have certainly ended: earlier starts of this very pod, whose containers run
   * one after the other. Never a guess (rule 15).
   */
  readonly gone: ReadonlySet<Incarnation>;
  /** What follows when every member of the in-sync set is certainly gone; until a `policy` comes. */
  readonly totalLoss: TotalLoss;
  /** For the random part of waits. */
  readonly seed: number;
}

/** One leadership: exists exactly as long as this incarnation leads in this epoch. */
export interface Leadership {
  readonly epoch: Epoch;
  readonly generation: Generation;
}

/** The shard's copy in the engine. One that is being dropped may not be made anew. */
export type Data =
  | { readonly kind: 'absent' | 'dropping' }
  | { readonly kind: 'creating'; readonly generation: Generation }
  /** `used`: this incarnation led with it, so it may hold writes. */
  | { readonly kind: 'present'; readonly generation: Generation; readonly used: boolean };

/** What a rule wants written. Rules are functions of the state; the first that wants something gets it. */
export interface Intent {
  readonly base: CurrentLease;
  readonly edit: LeaseEdit;
  /** The copy that must be there before it is sent. */
  readonly data?: Generation;
  /** Only on a Lease that a quorum read found, sent after the request of this number. */
  readonly confirmedAfter?: number;
}

export interface State {
  readonly options: CoreOptions;
  readonly tracker: LeaseTracker;
  readonly reads: Backoff;
  readonly writes: Backoff;
  readonly effects: Effect[];
  nowMs: number;
  totalLoss: TotalLoss;
  leadership: Leadership | undefined;
  /** Highest epoch that this incarnation led and left: it never serves in it again. */
  leftEpoch: Epoch | undefined;
  data: Data;
  serving: CoreServing;
  /** The last edit sent, to know one's own doing when a watch tells it. */
  attempt: LeaseEdit | undefined;
  /** The last request before this incarnation was free to campaign (rule 10). */
  campaignSince: number | undefined;
  /** When to read again a Lease that no watch has told. */
  recheckAtMs: number | undefined;
  /** Told once for each generation. */
  lossTold: Generation | undefined;
  /** Version of the Lease of which a refusal was told, to tell it once. */
  refusalTold: string | undefined;
  stopping: boolean;
  /** Answers in a row that said this node may not do it (401, 403). */
  forbidden: number;
  stopped: boolean;
}

export function tell(state: State, event: CoreEvent): void {
  state.effects.push({ kind: 'tell', event });
}

/** Place of this node in the assignment; 0 is preferred, -1: not in it. */
export const rank = (state: State, lease: CurrentLease): number =>
  lease.assignment.indexOf(nodeOf(state.options.self));

export const holdsCopy = (state: State, generation: Generation): boolean =>
  state.data.kind === 'present' && state.data.generation === generation;
