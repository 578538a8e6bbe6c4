/** Takes clusters from the queue and reconciles them, a few at a time. */
import { isApiError, type View } from './api.ts';
import type { Figures, Tools } from './context.ts';
import { messageOf } from './errors.ts';
import { limits } from './limits.ts';
import type { ObjectKey } from './objects.ts';
import type { WorkQueue } from './queue.ts';
import { type Outcome, reconcile } from './reconcile.ts';

export interface ControllerOptions {
  readonly queue: WorkQueue;
  readonly tools: Tools;
  readonly view: View;
  figuresOf(key: string): Figures | undefined;
  /** 0 to 1. */
  random(): number;
  /** CLOCK_MONOTONIC. */
  monotonicMs(): number;
  onReconciled(result: Reconciled): void;
}

export interface Reconciled {
  readonly key: string;
  readonly durationMs: number;
  readonly outcome: Outcome | undefined;
  readonly error: unknown;
  /** After an error, or where a person must act. */
  readonly retryInMs: number | undefined;
}

/** Resolves when the queue is closed and the last reconcile has ended. */
export async function runController(options: ControllerOptions): Promise<void> {
  await Promise.all(Array.from({ length: limits.workers }, () => work(options)));
}

async function work(options: ControllerOptions): Promise<void> {
  const { queue } = options;
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    await one(options, key);
    queue.done(key);
  }
}

async function one(options: ControllerOptions, key: string): Promise<void> {
  const { queue, tools, view, figuresOf, monotonicMs, onReconciled } = options;
  const startMs = monotonicMs();
  let outcome: Outcome | undefined;
  let error: unknown;
  let retryInMs: number | undefined;
  try {
    const failures = queue.failures(key);
    outcome = await reconcile(tools, view, parseKey(key), { figures: figuresOf(key), failures });
    if (outcome.kind === 'blocked') retryInMs = queue.retry(key);
    else queue.forget(key);
    if (outcome.kind !== 'gone') queue.addAfter(key, againInMs(outcome, options));
  } catch (thrown) {
    error = thrown;
    retryInMs = queue.retry(key, isPassing(thrown) ? 'soon' : 'backoff');
  }
  onReconciled({ key, durationMs: monotonicMs() - startMs, outcome, error, retryInMs });
}

/** A cache that is a moment behind the last write: no fault, and over in a moment. */
export function isPassing(error: unknown): boolean {
  return isApiError(error, 'Conflict', 'AlreadyExists', 'NotFound');
}

function againInMs({ againInMs }: Outcome, { random }: ControllerOptions): number {
  const resyncMs = limits.resyncMs * (1 + limits.backoffJitter * random());
  return Math.min(againInMs ?? resyncMs, resyncMs);
}

function parseKey(key: string): ObjectKey {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

export function failureText({ key, error }: Reconciled): string {
  return `${key}: ${messageOf(error)}`;
}
