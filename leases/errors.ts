import type { UpdateOutcome } from './store.ts';

/**
 * Errors of a LeaseStore.
 *
 * | code | meaning | what to do |
 * | --- | --- | --- |
 * | Timeout | no answer within the deadline | try again later |
 * | Unavailable | answered 5xx, or the connection broke | try again later |
 * | Unreachable | no connection; nothing was sent | try again later |
 * | TooManyRequests | told to come back later | try again later |
 * | Forbidden | may not do this | grant the permission |
 * | Invalid | will not store this | a bug, or a foreign object |
 * | NotFound | there is no object of that name | - |
 * | AlreadyExists | there is an object of that name | read it |
 * | Conflict | the object is another one by now | read it again |
 * | Malformed | the object is no Lease, or misses its name, UID or version | repair it |
 * | Aborted | the caller called it off | - |
 * | Closed | the store has been closed | - |
 */
export type LeaseStoreErrorCode =
  | 'Timeout'
  | 'Unavailable'
  | 'Unreachable'
  | 'TooManyRequests'
  | 'Forbidden'
  | 'Invalid'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Malformed'
  | 'Aborted'
  | 'Closed';

export class LeaseStoreError extends Error {
  override readonly name = 'LeaseStoreError';
  readonly code: LeaseStoreErrorCode;

  constructor(code: LeaseStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What to tell of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const REFUSED = ['Forbidden', 'NotFound', 'Invalid', 'TooManyRequests', 'Unreachable'] as const;

/** What an update has come to that failed so: refused only where it can't take effect any more. */
export function failedUpdate({ code, message }: LeaseStoreError): UpdateOutcome {
  const reason = REFUSED.find((refused) => refused === code);
  return reason === undefined
    ? { kind: 'unresolved', reason: code, message }
    : { kind: 'refused', reason, message };
}
