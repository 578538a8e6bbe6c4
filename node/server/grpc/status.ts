/** OperationError, the one form of an error inside the server, as a gRPC status with google.rpc details. */
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { ERROR_DOMAIN, ERRORS, type ReasonName, reasonName } from '@r-db/proto/errors.ts';
import type { Any } from '@r-db/proto/generated/google/protobuf/any.ts';
import { ErrorInfo, RetryInfo } from '@r-db/proto/generated/google/rpc/error_details.ts';
import { Status } from '@r-db/proto/generated/google/rpc/status.ts';
import type { Address } from '@r-db/proto/generated/rdb/v1/common.ts';
import {
  ErrorReason,
  type LeaderHint,
  type OperationError,
} from '@r-db/proto/generated/rdb/v1/errors.ts';

const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';

export interface ErrorExtras {
  readonly leader?: LeaderHint;
  readonly retryAfterMs?: number;
}

export function operationError(
  reason: ReasonName,
  message: string,
  extras: ErrorExtras = {},
): OperationError {
  return { reason: ErrorReason[reason], message, leader: undefined, ...extras };
}

/** What a call ends with when it fails as a whole. */
export function toStatus(error: OperationError): StatusObject {
  const reason = reasonName(error.reason);
  if (reason === undefined)
    return { code: status.INTERNAL, details: error.message, metadata: new Metadata() };
  const code = status[ERRORS[reason].grpc];
  const metadata = new Metadata();
  const details: Any[] = [
    {
      typeUrl: `${TYPE_PREFIX}ErrorInfo`,
      value: ErrorInfo.encode({
        reason,
        domain: ERROR_DOMAIN,
        metadata: leaderMetadata(error.leader),
      }).finish(),
    },
  ];
  if (error.retryAfterMs !== undefined) {
    details.push({ typeUrl: `${TYPE_PREFIX}RetryInfo`, value: retryInfo(error.retryAfterMs) });
  }
  const encoded = Status.encode({ code, message: error.message, details }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(encoded));
  return { code, details: error.message, metadata };
}

/** For callbacks and `emit('error')`, which want an Error. */
export function toServiceError(error: OperationError): ServiceError {
  return serviceError(toStatus(error));
}

export function serviceError(object: StatusObject): ServiceError {
  return Object.assign(new Error(object.details), object);
}

export function unimplemented(what: string): ServiceError {
  return serviceError({
    code: status.UNIMPLEMENTED,
    details: `${what} is not in this version of r_db`,
    metadata: new Metadata(),
  });
}

function leaderMetadata(leader: LeaderHint | undefined): Record<string, string> {
  if (leader === undefined) return {};
  const metadata: Record<string, string> = { shard: String(leader.shard), leader: leader.node };
  if (leader.grpc !== undefined) metadata['grpc'] = formatAddress(leader.grpc);
  if (leader.resp !== undefined) metadata['resp'] = formatAddress(leader.resp);
  return metadata;
}

function retryInfo(ms: number): Uint8Array {
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  return RetryInfo.encode({ retryDelay }).finish();
}

/** `host:port`, an IPv6 address in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
