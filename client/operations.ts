/** What a client can do with a key, as data: for `client.batch`, and beneath `client.get` and the others. */
import { Acknowledge, Consistency } from '@r-db/proto/generated/rdb/v1/common.ts';
import {
  type OperationResult,
  SetCondition,
  type SetRequest,
  type TouchRequest,
  type Operation as WireOperation,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { RdbError } from './errors.ts';
import { type Bytes, owned, toBytes, Value, versionToBytes, versionToText } from './values.ts';

export type RequestCase = NonNullable<WireOperation['request']>;
export type OutcomeCase = NonNullable<OperationResult['outcome']>;

/** An operation whose answer is a `Result`. Made by `op.get`, `op.set` and so on. */
export interface Operation<Result = unknown> {
  readonly request: RequestCase;
  /** Reads may be sent again whatever happened. */
  readonly reads: boolean;
  /** Whether any replica may answer. */
  readonly anyReplica?: boolean;
  /** Bytes of key and value. */
  readonly bytes: number;
  readonly read: (outcome: OutcomeCase) => Result;
}

export interface ReadOptions {
  /** `any-replica` may be old (`read` tells how old), spreads over the replicas, and is answered while the leader is away. */
  readonly consistency?: 'linearizable' | 'any-replica';
}

export interface ReadResult {
  /** What the key holds; undefined if it does not exist. */
  readonly value: Value | undefined;
  /** The answer is at most so old, in milliseconds; 0 for linearizable reads. */
  readonly stalenessMs: number;
}

export interface WriteOptions {
  /** `leader` is answered sooner, and lost if the leader is lost before its followers have it. */
  readonly acknowledge?: 'in-sync' | 'leader';
}

/** At most one of these. */
export interface ExpiryOptions {
  /** Milliseconds from now; at least 1. */
  readonly expireAfterMs?: number;
  /** Milliseconds since the Unix epoch. */
  readonly expireAtMs?: number;
}

export interface SetOptions extends WriteOptions, ExpiryOptions {
  /** The expiry that the key has stays. Without any of the three it is removed. */
  readonly keepExpiry?: boolean;
  /** If it does not hold, nothing is written and `applied` is false. */
  readonly condition?: 'if-absent' | 'if-present';
  /** If the key has another version, VERSION_MISMATCH. Not together with `condition`. */
  readonly ifVersion?: string;
}

export interface DeleteOptions extends WriteOptions {
  /** If the key has another version, VERSION_MISMATCH. */
  readonly ifVersion?: string;
}

export interface TouchOptions extends WriteOptions, ExpiryOptions {
  /** The key shall not expire. */
  readonly removeExpiry?: boolean;
}

export interface SetResult {
  /** False if the condition did not hold. */
  readonly applied: boolean;
  /** The key's new version; undefined if not applied. */
  readonly version: string | undefined;
}

export interface TouchResult {
  readonly expireAtMs: number | undefined;
  readonly version: string;
}

/** Operations for `client.batch`. */
export const op = { get, read, set, delete: remove, increment, append, touch } as const;

function get(key: Bytes, options: ReadOptions = {}): Operation<Value | undefined> {
  const operation = read(key, options);
  return { ...operation, read: (outcome) => operation.read(outcome).value };
}

function read(key: Bytes, options: ReadOptions = {}): Operation<ReadResult> {
  const bytes = toBytes(key);
  const anyReplica = options.consistency === 'any-replica';
  const consistency = anyReplica ? Consistency.ANY_REPLICA : Consistency.UNSPECIFIED;
  return {
    request: { $case: 'get', value: { key: bytes, consistency } },
    reads: true,
    anyReplica,
    bytes: bytes.length,
    read: (outcome) => {
      const { found, value, version, expireAtMs, stalenessMs = 0 } = answerOf(outcome, 'get');
      if (!found) return { value: undefined, stalenessMs };
      return {
        value: new Value(owned(value), versionToText(version), toNumber(expireAtMs)),
        stalenessMs,
      };
    },
  };
}

function set(key: Bytes, value: Bytes, options: SetOptions = {}): Operation<SetResult> {
  const { condition, ifVersion, keepExpiry } = options;
  const expiry: SetRequest['expiry'] = keepExpiry
    ? oneExpiry([{ $case: 'keepExpiry', value: true }, expiryOf(options)])
    : expiryOf(options);
  return write(
    {
      $case: 'set',
      value: {
        key: toBytes(key),
        value: toBytes(value),
        expiry,
        condition: conditionOf(condition),
        ...(ifVersion === undefined ? {} : { ifVersion: versionToBytes(ifVersion) }),
        ...common(options),
      },
    },
    (outcome) => {
      const { applied, version } = answerOf(outcome, 'set');
      return { applied, version: applied ? versionToText(version) : undefined };
    },
  );
}

function remove(key: Bytes, options: DeleteOptions = {}): Operation<boolean> {
  const { ifVersion } = options;
  const condition = ifVersion === undefined ? {} : { ifVersion: versionToBytes(ifVersion) };
  const value = { key: toBytes(key), ...condition, ...common(options) };
  return write({ $case: 'delete', value }, (outcome) => answerOf(outcome, 'delete').deleted);
}

function increment(
  key: Bytes,
  by: bigint | number = 1n,
  options: WriteOptions = {},
): Operation<bigint> {
  if (typeof by === 'number' && !Number.isSafeInteger(by)) {
    throw new RdbError('INVALID', `by must be an integer, and is ${by}`);
  }
  if (BigInt.asIntN(64, BigInt(by)) !== BigInt(by)) {
    throw new RdbError('INVALID', `by must fit 64 bits, and is ${by}`);
  }
  const value = { key: toBytes(key), by: BigInt(by), ...common(options) };
  return write({ $case: 'increment', value }, (outcome) => answerOf(outcome, 'increment').value);
}

function append(key: Bytes, value: Bytes, options: WriteOptions = {}): Operation<number> {
  const request = { key: toBytes(key), value: toBytes(value), ...common(options) };
  return write({ $case: 'append', value: request }, (outcome) =>
    Number(answerOf(outcome, 'append').length),
  );
}

function touch(key: Bytes, options: TouchOptions = {}): Operation<TouchResult | undefined> {
  const expiry: TouchRequest['expiry'] = options.removeExpiry
    ? oneExpiry([{ $case: 'removeExpiry', value: true }, expiryOf(options)])
    : expiryOf(options);
  const value = { key: toBytes(key), expiry, ...common(options) };
  const operation = write({ $case: 'touch', value }, (outcome) => {
    const { found, expireAtMs, version } = answerOf(outcome, 'touch');
    return found
      ? { expireAtMs: toNumber(expireAtMs), version: versionToText(version) }
      : undefined;
  });
  return { ...operation, reads: expiry === undefined };
}

function write<Result>(request: RequestCase, read: Operation<Result>['read']): Operation<Result> {
  const value = 'value' in request.value ? request.value.value.length : 0;
  return { request, reads: false, bytes: request.value.key.length + value, read };
}

function common({ acknowledge }: WriteOptions): { acknowledge: Acknowledge; requestId: undefined } {
  const leader = acknowledge === 'leader';
  return {
    acknowledge: leader ? Acknowledge.LEADER : Acknowledge.UNSPECIFIED,
    requestId: undefined,
  };
}

function conditionOf(condition: SetOptions['condition']): SetCondition {
  if (condition === undefined) return SetCondition.UNSPECIFIED;
  return condition === 'if-absent' ? SetCondition.IF_ABSENT : SetCondition.IF_PRESENT;
}

type Expiry =
  | { readonly $case: 'expireAfterMs'; readonly value: bigint }
  | { readonly $case: 'expireAtMs'; readonly value: bigint };

function expiryOf({ expireAfterMs, expireAtMs }: ExpiryOptions): Expiry | undefined {
  const given: Expiry[] = [];
  if (expireAfterMs !== undefined)
    given.push({ $case: 'expireAfterMs', value: wholeMs({ expireAfterMs }) });
  if (expireAtMs !== undefined) given.push({ $case: 'expireAtMs', value: wholeMs({ expireAtMs }) });
  return oneExpiry(given);
}

function oneExpiry<E>(given: readonly (E | undefined)[]): E | undefined {
  const chosen = given.filter((one) => one !== undefined);
  if (chosen.length <= 1) return chosen[0];
  throw new RdbError(
    'INVALID',
    'at most one of expireAfterMs, expireAtMs, keepExpiry, removeExpiry may be given',
  );
}

function wholeMs(named: Readonly<Record<string, number>>): bigint {
  const [name, ms] = Object.entries(named)[0] ?? ['', 0];
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new RdbError(
      'INVALID',
      `${name} must be a whole number of milliseconds from 1 on, and is ${ms}`,
    );
  }
  return BigInt(ms);
}

function toNumber(ms: bigint | undefined): number | undefined {
  return ms === undefined ? undefined : Number(ms);
}

type Answers = { [One in OutcomeCase as One['$case']]: One['value'] };

function answerOf<C extends keyof Answers>(
  { $case: given, value }: OutcomeCase,
  $case: C,
): Answers[C] {
  if (given !== $case) throw new RdbError('INTERNAL', `a node answered a ${$case} with a ${given}`);
  return value as Answers[C];
}
