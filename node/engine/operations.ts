/** The binary form of typed operations (assembly/operations.ts describes it). */
import { operationKinds, operationStatuses } from './operation-codes.ts';
import type { Operation, OperationResult, ParkReason } from './types.ts';

const headerBytes = 40;
const flag = {
  expiry: 1,
  keep: 2,
  ifAbsent: 4,
  ifPresent: 8,
  ifVersion: 16,
  noExpiry: 32,
  anyReplica: 64,
};
const resultFlag = { value: 1, number: 2, expiry: 4, version: 8 };

const noBytes = new Uint8Array(0);

function payloadOf(operation: Operation): Uint8Array {
  return 'value' in operation ? operation.value : noBytes;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

export function operationBytes(operation: Operation): number {
  return headerBytes + padded(operation.key.length + payloadOf(operation).length);
}

/** Writes an operation at an arena address that is a multiple of 8. */
export function writeOperation(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  operation: Operation,
): void {
  let flags = 0;
  let expiryMs = 0;
  let version = 0n;
  const by = operation.kind === 'increment' ? operation.by : 0n;
  if (operation.kind === 'set') {
    if (operation.expireAtMs === 'keep') flags |= flag.keep;
    else if (operation.expireAtMs !== undefined) {
      flags |= flag.expiry;
      expiryMs = operation.expireAtMs;
    }
    if (operation.condition === 'if-absent') flags |= flag.ifAbsent;
    if (operation.condition === 'if-present') flags |= flag.ifPresent;
  }
  if (operation.kind === 'touch' && operation.expireAtMs !== undefined) {
    flags |= operation.expireAtMs === null ? flag.noExpiry : flag.expiry;
    expiryMs = operation.expireAtMs ?? 0;
  }
  if (operation.kind === 'get' && operation.anyReplica === true) flags |= flag.anyReplica;
  if ('ifVersion' in operation && operation.ifVersion !== undefined) {
    flags |= flag.ifVersion;
    version = operation.ifVersion;
  }
  const value = payloadOf(operation);
  view.setUint32(at, operationKinds.indexOf(operation.kind) | (flags << 8), true);
  view.setUint32(at + 4, operation.key.length, true);
  view.setUint32(at + 8, value.length, true);
  view.setUint32(at + 12, 0, true);
  view.setBigInt64(at + 16, BigInt(Math.trunc(expiryMs)), true);
  view.setBigUint64(at + 24, version, true);
  view.setBigInt64(at + 32, by, true);
  bytes.set(operation.key, at + headerBytes);
  bytes.set(value, at + headerBytes + operation.key.length);
}

export interface ReadResult {
  readonly result: OperationResult;
  /** Bytes that it takes in the output window. */
  readonly length: number;
  /** A blob that was held for this result: the caller lets it go. 0: none. */
  readonly pinned: number;
  /** For status `park`: the shard's publication counter to wait on. */
  readonly seen: number;
}

/** Reads the result at an arena address; values are copied out. */
export function readResult(view: DataView, bytes: Uint8Array, at: number): ReadResult {
  const word = view.getUint32(at, true);
  const flags = (word >> 8) & 255;
  const status = operationStatuses[word & 255];
  if (status === undefined) throw new Error(`engine: unknown operation status ${word & 255}`);
  const shard = view.getUint32(at + 4, true);
  const valueLength = view.getUint32(at + 32, true);
  const pinned = view.getUint32(at + 36, true);
  const from = pinned === 0 ? at + headerBytes : pinned;
  const result: OperationResult = {
    status,
    shard,
    ...(flags & resultFlag.value ? { value: bytes.slice(from, from + valueLength) } : {}),
    ...(flags & resultFlag.version ? { version: view.getBigUint64(at + 8, true) } : {}),
    ...(flags & resultFlag.number ? { number: view.getBigInt64(at + 16, true) } : {}),
    ...(flags & resultFlag.expiry ? { expireAtMs: Number(view.getBigInt64(at + 24, true)) } : {}),
    ...(status === 'park' ? { reason: ((word >> 16) & 255) as ParkReason } : {}),
  };
  return {
    result,
    length: headerBytes + (pinned === 0 ? padded(valueLength) : 0),
    pinned,
    seen: Number(view.getBigInt64(at + 16, true)),
  };
}
