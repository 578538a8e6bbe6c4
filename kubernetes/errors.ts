/**
 * Errors of requests to the API server.
 *
 * What matters to a writer is the effect:
 *
 * | effect | when |
 * | --- | --- |
 * | none | no connection was made, or the server answered 3xx or 4xx |
 * | unknown | a time-out, a connection that broke after it was made, 5xx, an answer nobody can read |
 */
export type RequestEffect = 'none' | 'unknown';

export interface RequestFailure {
  readonly effect: RequestEffect;
  /** HTTP status; undefined if there was no answer. */
  readonly status?: number | undefined;
  /** Kubernetes' reason (`Conflict`, `Expired`), or `Timeout`, `Aborted`, `Unreachable`, `Broken`. */
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class KubernetesError extends Error implements RequestFailure {
  override readonly name = 'KubernetesError';
  readonly effect: RequestEffect;
  readonly status: number | undefined;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, failure: RequestFailure) {
    super(message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.effect = failure.effect;
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 404;
}

/** An update of an old version, a failed precondition. `AlreadyExists` is 409 as well, but another. */
export function isConflict(error: unknown): boolean {
  return (
    error instanceof KubernetesError && error.status === 409 && error.reason !== 'AlreadyExists'
  );
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubernetesError && error.reason === 'AlreadyExists';
}

/** The version asked for is forgotten: list anew. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubernetesError && error.status === 410;
}
