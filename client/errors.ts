/** Errors that the client throws: one class, told apart by `reason`. */
import { type ServiceError, status } from '@grpc/grpc-js';
import {
  ERROR_DOMAIN,
  ERRORS,
  isReasonName,
  type ReasonName,
  reasonName,
} from '@r-db/proto/errors.ts';
import { ErrorInfo, RetryInfo } from '@r-db/proto/generated/google/rpc/error_details.ts';
import { Status } from '@r-db/proto/generated/google/rpc/status.ts';
import type { Address } from '@r-db/proto/generated/rdb/v1/common.ts';
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import { parseAddress } from './addresses.ts';

/** Reasons of the cluster (docs/errors.md), and those that only a client knows. */
export type Reason =
  | ReasonName
  /** No node could be reached; nothing was done. */
  | 'UNAVAILABLE'
  /** The client is closed. */
  | 'CLOSED'
  /** The node has no such call: another version, or not r_db. */
  | 'UNIMPLEMENTED'
  /** A fault in a node; its log has the details. */
  | 'INTERNAL';

export interface LeaderAddress {
  readonly shard: number;
  readonly node: string;
  readonly grpc: Address | undefined;
}

export interface RdbErrorDetails {
  readonly retryAfterMs?: number;
  readonly leader?: LeaderAddress;
  readonly cause?: unknown;
  /** Whether the operation only reads: then what is unknown may be tried again. */
  readonly reads?: boolean;
}

/** Why a call failed. `reason` decides what to do; the message is for people. */
export class RdbError extends Error {
  override readonly name = 'RdbError';
  readonly reason: Reason;
  /** Whether trying the same call again may help and can't do harm. The client already did, until the deadline. */
  readonly retryable: boolean;
  /** Wait at least so long before. */
  readonly retryAfterMs: number | undefined;
  /** With NOT_LEADER. */
  readonly leader: LeaderAddress | undefined;

  constructor(reason: Reason, message: string, details: RdbErrorDetails = {}) {
    super(`${reason}: ${message}`, 'cause' in details ? { cause: details.cause } : {});
    this.reason = reason;
    this.retryable = isRetryable(reason, details.reads ?? false);
    this.retryAfterMs = details.retryAfterMs;
    this.leader = details.leader;
  }
}

/** What the client does about a reason by itself. */
export function retryOf(reason: Reason): 'elsewhere' | 'backoff' | 'same-request' | 'never' {
  if (isReasonName(reason)) return ERRORS[reason].retry;
  return reason === 'UNAVAILABLE' ? 'backoff' : 'never';
}

/** The error of one operation in a batch. */
export function fromOperationError(error: OperationError, reads: boolean): RdbError {
  const { reason, message, leader, retryAfterMs } = error;
  const name = reasonName(reason);
  if (name === undefined) return new RdbError('INTERNAL', `unknown reason ${reason}: ${message}`);
  return new RdbError(name, message, {
    reads,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(leader === undefined ? {} : { leader }),
  });
}

/**
 * The error of a whole call. `sent`: the request may have reached the node, so that without its
 * word nobody knows whether a write happened.
 */
export function fromCall(
  error: ServiceError,
  { reads, sent }: { reads: boolean; sent: boolean },
): RdbError {
  const told = detailsOf(error);
  const details = { reads, cause: error, ...told?.details };
  if (told !== undefined) return new RdbError(told.reason, error.details, details);
  switch (error.code) {
    case status.UNIMPLEMENTED:
      return new RdbError('UNIMPLEMENTED', error.details, details);
    case status.RESOURCE_EXHAUSTED:
      return new RdbError('TOO_LARGE', error.details, details);
    case status.DEADLINE_EXCEEDED:
      return new RdbError('DEADLINE_EXCEEDED', error.details, details);
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.UNKNOWN:
      if (reads || !sent) return new RdbError('UNAVAILABLE', error.details, details);
      return new RdbError('OUTCOME_UNKNOWN', `the connection broke: ${error.details}`, details);
    default:
      if (reads || !sent) return new RdbError('INTERNAL', error.details, details);
      return new RdbError('OUTCOME_UNKNOWN', error.details, details);
  }
}

function isRetryable(reason: Reason, reads: boolean): boolean {
  const retry = retryOf(reason);
  return retry === 'elsewhere' || retry === 'backoff' || (retry === 'same-request' && reads);
}

interface Told {
  readonly reason: ReasonName;
  readonly details: { readonly retryAfterMs?: number; readonly leader?: LeaderAddress };
}

/** What google.rpc.ErrorInfo and RetryInfo in the trailer say; undefined: nothing of ours. */
function detailsOf({ metadata }: ServiceError): Told | undefined {
  const encoded = metadata?.get('grpc-status-details-bin')[0];
  if (!(encoded instanceof Uint8Array)) return undefined;
  const { details } = Status.decode(encoded);
  const value = (type: string) =>
    details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${type}`))?.value;
  const infoBytes = value('ErrorInfo');
  const retryBytes = value('RetryInfo');
  if (infoBytes === undefined) return undefined;
  const { reason, domain, metadata: more } = ErrorInfo.decode(infoBytes);
  if (domain !== ERROR_DOMAIN || !isReasonName(reason)) return undefined;
  const delay = retryBytes && RetryInfo.decode(retryBytes).retryDelay;
  const grpc = more['grpc'] === undefined ? undefined : parseAddress(more['grpc']);
  const leader =
    more['leader'] === undefined
      ? undefined
      : { shard: Number(more['shard']), node: more['leader'], grpc };
  return {
    reason,
    details: {
      ...(delay ? { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 } : {}),
      ...(leader ? { leader } : {}),
    },
  };
}
