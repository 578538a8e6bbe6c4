/** Results of the engine as answers on the wire. */
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type { OperationResult as WireResult } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { type Operation, type OperationResult, ParkReason } from '../../engine/types.ts';
import type { GrpcContext } from './context.ts';
import { notLeader } from './leaders.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { operationError } from './status.ts';
import { writeVersion } from './tokens.ts';

const NO_BYTES = new Uint8Array(0);

type Outcome = NonNullable<WireResult['outcome']>;

/** `result.status` is not 'park': who may wait has waited. */
export function toWire(
  context: GrpcContext,
  { kind }: Operation,
  result: OperationResult,
  details: { readonly generation: number; readonly stalenessMs: number | undefined },
): WireResult {
  const failed = failure(context, result);
  if (failed !== undefined) return errorResult(failed);
  const found = result.status === 'ok';
  const version =
    result.version === undefined || !found
      ? NO_BYTES
      : writeVersion({ generation: details.generation, version: result.version });
  return { outcome: answer(kind, result, { found, version, stalenessMs: details.stalenessMs }) };
}

export function errorResult(error: OperationError): WireResult {
  return { outcome: { $case: 'error', value: error } };
}

function answer(
  kind: Operation['kind'],
  result: OperationResult,
  {
    found,
    version,
    stalenessMs,
  }: { found: boolean; version: Uint8Array; stalenessMs: number | undefined },
): Outcome {
  const expiry = expiryOf(result);
  switch (kind) {
    case 'get': {
      const staleness = stalenessMs === undefined ? {} : { stalenessMs };
      return {
        $case: 'get',
        value: { found, value: result.value ?? NO_BYTES, version, ...expiry, ...staleness },
      };
    }
    case 'set':
      return { $case: 'set', value: { applied: found, version } };
    case 'delete':
      return { $case: 'delete', value: { deleted: found } };
    case 'increment':
      return { $case: 'increment', value: { value: result.number ?? 0n, version } };
    case 'append':
      return { $case: 'append', value: { length: result.number ?? 0n, version } };
    case 'touch':
      return { $case: 'touch', value: { found, version, ...expiry } };
  }
}

function expiryOf({ expireAtMs }: OperationResult): { expireAtMs?: bigint } {
  return expireAtMs === undefined ? {} : { expireAtMs: BigInt(expireAtMs) };
}

function failure(context: GrpcContext, result: OperationResult): OperationError | undefined {
  switch (result.status) {
    case 'ok':
    case 'not-found':
    case 'condition-failed':
      return undefined;
    case 'version-mismatch':
      return operationError('VERSION_MISMATCH', 'the key has another version than if_version');
    case 'not-an-integer':
      return operationError('NOT_AN_INTEGER', 'the value is not a signed 64-bit integer');
    case 'overflow':
      return operationError('OVERFLOW', 'the sum would be outside the signed 64-bit integers');
    case 'out-of-memory':
      return operationError('OUT_OF_MEMORY', "the node's memory budget is used up");
    case 'too-large':
      return operationError('TOO_LARGE', 'the value would be longer than the limit of the node');
    case 'not-leader':
      return notLeader(context, result.shard);
    case 'not-enough-in-sync':
      return operationError(
        'NOT_ENOUGH_IN_SYNC',
        `shard ${result.shard} has fewer replicas in sync than minInSyncReplicas`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    case 'park':
      return parkedTooLong(result);
  }
}

/** Why an operation that waited to the end was not executed. */
function parkedTooLong({ reason, shard }: OperationResult): OperationError {
  const extras = { retryAfterMs: RETRY_AFTER_MS };
  return reason === ParkReason.NotServing
    ? operationError('NO_LEADER', `shard ${shard} is changing its leader`, extras)
    : operationError('OVERLOADED', `shard ${shard} is busy with other writes`, extras);
}
