/** Operations of the wire as operations of the engine: checks each field and says which is wrong. */
import {
  type Acknowledge,
  Consistency,
  type RequestId,
} from '@r-db/proto/generated/rdb/v1/common.ts';
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import {
  SetCondition,
  type SetRequest,
  type TouchRequest,
  type Operation as WireOperation,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { Operation } from '../../engine/types.ts';
import { SESSION_BYTES } from './limits.ts';
import { operationError } from './status.ts';
import { type KeyVersion, readVersion } from './tokens.ts';

export interface ReadOptions {
  readonly nowMs: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** An operation that the engine can run, or why it can't. */
export type Accepted =
  | {
      readonly operation: Operation;
      /** What the operation's `if_version` named: its generation is checked against the shard's. */
      readonly ifVersion?: KeyVersion;
      /** A read that may be answered by any replica. */
      readonly anyReplica: boolean;
    }
  | { readonly error: OperationError };

export type RequestCase = NonNullable<WireOperation['request']>;

/** Defaults of the batch that an operation stands in. */
export interface BatchDefaults {
  readonly consistency: Consistency;
  readonly acknowledge: Acknowledge;
}

export function acceptOperation(
  request: RequestCase | undefined,
  defaults: BatchDefaults,
  options: ReadOptions,
): Accepted {
  if (request === undefined)
    return invalid('request', 'one of get, set, delete, increment, append, touch');
  const { key } = request.value;
  if (key.length > options.keyBytesMax) return tooLarge('key', key.length, options.keyBytesMax);
  if (request.$case !== 'get') {
    const problem = checkRequestId(request.value.requestId);
    if (problem !== undefined) return { error: problem };
  }
  switch (request.$case) {
    case 'get': {
      const { consistency } = request.value;
      const chosen = consistency === Consistency.UNSPECIFIED ? defaults.consistency : consistency;
      const anyReplica = chosen === Consistency.ANY_REPLICA;
      return { operation: { kind: 'get', key, anyReplica }, anyReplica };
    }
    case 'set':
      return acceptSet(request.value, options);
    case 'delete':
      return withVersion({ kind: 'delete', key }, request.value.ifVersion);
    case 'increment':
      return write({ kind: 'increment', key, by: request.value.by ?? 1n });
    case 'append': {
      const { value } = request.value;
      if (value.length > options.valueBytesMax) {
        return tooLarge('value', value.length, options.valueBytesMax);
      }
      return write({ kind: 'append', key, value });
    }
    case 'touch':
      return acceptTouch(request.value, options);
  }
}

/** Bytes that count towards the limit of a batch. */
export function operationBytes(request: RequestCase | undefined): number {
  if (request === undefined) return 0;
  const value =
    request.$case === 'set' || request.$case === 'append' ? request.value.value.length : 0;
  return request.value.key.length + value;
}

/** The ID's form; undefined: right, or none. */
export function checkRequestId(id: RequestId | undefined): OperationError | undefined {
  if (id === undefined) return undefined;
  if (id.session.length !== SESSION_BYTES) {
    return operationError(
      'INVALID',
      `request_id.session has ${id.session.length} bytes, not ${SESSION_BYTES}`,
    );
  }
  if (id.number === 0n)
    return operationError('INVALID', 'request_id.number counts from 1, and is 0');
  if (id.answeredBelow > id.number) {
    return operationError('INVALID', 'request_id.answered_below is above request_id.number');
  }
  return undefined;
}

function acceptSet(request: SetRequest, options: ReadOptions): Accepted {
  const { key, value, ifVersion } = request;
  if (value.length > options.valueBytesMax)
    return tooLarge('value', value.length, options.valueBytesMax);
  const expireAtMs =
    request.expiry?.$case === 'keepExpiry'
      ? keep(request.expiry.value)
      : expiry(request.expiry, options);
  if (typeof expireAtMs === 'object') return expireAtMs;
  const operation: Operation & { kind: 'set' } = {
    kind: 'set',
    key,
    value,
    ...(expireAtMs === undefined ? {} : { expireAtMs }),
  };
  if (request.condition === SetCondition.UNSPECIFIED) return withVersion(operation, ifVersion);
  if (ifVersion !== undefined) return invalid('condition', 'unset where if_version is given');
  if (request.condition === SetCondition.IF_ABSENT)
    return write({ ...operation, condition: 'if-absent' });
  if (request.condition === SetCondition.IF_PRESENT)
    return write({ ...operation, condition: 'if-present' });
  return invalid('condition', 'IF_ABSENT or IF_PRESENT');
}

function acceptTouch(request: TouchRequest, options: ReadOptions): Accepted {
  const { key } = request;
  if (request.expiry === undefined) return write({ kind: 'touch', key });
  if (request.expiry.$case === 'removeExpiry') {
    return write(
      request.expiry.value ? { kind: 'touch', key, expireAtMs: null } : { kind: 'touch', key },
    );
  }
  const expireAtMs = expiry(request.expiry, options);
  if (typeof expireAtMs === 'object') return expireAtMs;
  return write(
    expireAtMs === undefined ? { kind: 'touch', key } : { kind: 'touch', key, expireAtMs },
  );
}

type Expiry = { readonly $case: 'expireAfterMs' | 'expireAtMs'; readonly value: bigint };

function expiry(given: Expiry | undefined, { nowMs }: ReadOptions): number | undefined | Accepted {
  if (given === undefined) return undefined;
  const atMs = given.$case === 'expireAfterMs' ? BigInt(nowMs) + given.value : given.value;
  if (given.$case === 'expireAfterMs' && given.value < 1n)
    return invalid('expire_after_ms', 'at least 1');
  if (given.value < 1n)
    return invalid('expire_at_ms', 'at least 1, in milliseconds since the Unix epoch');
  if (atMs > BigInt(Number.MAX_SAFE_INTEGER))
    return invalid(snake(given.$case), 'before the year 287396');
  return Number(atMs);
}

function keep(kept: boolean): 'keep' | undefined {
  return kept ? 'keep' : undefined;
}

function withVersion(
  operation: Operation & { kind: 'set' | 'delete' },
  bytes: Uint8Array | undefined,
): Accepted {
  if (bytes === undefined) return write(operation);
  const ifVersion = readVersion(bytes);
  if (ifVersion === undefined) return invalid('if_version', 'a version as an answer gave it');
  return {
    operation: { ...operation, ifVersion: ifVersion.version },
    ifVersion,
    anyReplica: false,
  };
}

function write(operation: Operation): Accepted {
  return { operation, anyReplica: false };
}

function invalid(field: string, right: string): Accepted {
  return { error: operationError('INVALID', `${field} must be ${right}`) };
}

function tooLarge(what: string, bytes: number, bytesMax: number): Accepted {
  return {
    error: operationError(
      'TOO_LARGE',
      `the ${what} has ${bytes} bytes; at most ${bytesMax} are allowed`,
    ),
  };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
