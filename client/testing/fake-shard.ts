/** The data of one shard of the fake cluster, with a record of what each session wrote. */
import type { ReasonName } from '@r-db/proto/errors.ts';
import type { RequestId } from '@r-db/proto/generated/rdb/v1/common.ts';
import { ErrorReason } from '@r-db/proto/generated/rdb/v1/errors.ts';
import {
  type GetRequest,
  type OperationResult,
  SetCondition,
  type Operation as WireOperation,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { sessionStartMs } from '@r-db/proto/sessions.ts';

export type Outcome = NonNullable<OperationResult['outcome']>;
export type WriteCase = Exclude<NonNullable<WireOperation['request']>, { $case: 'get' }>;

export interface FakeRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expireAtMs: bigint | undefined;
}

interface SessionRecord {
  answeredBelow: bigint;
  readonly answers: Map<bigint, Outcome>;
}

export class FakeShard {
  readonly records = new Map<string, FakeRecord>();
  readonly #sessions = new Map<string, SessionRecord>();
  #endedBeforeMs = 0;

  endSessions(beforeMs: number): void {
    this.#sessions.clear();
    this.#endedBeforeMs = beforeMs;
  }

  /** As a follower answers it if `stalenessMs` is given. */
  get({ key }: GetRequest, stalenessMs: number | undefined): Outcome {
    const record = this.records.get(nameOf(key));
    return {
      $case: 'get',
      value: {
        found: record !== undefined,
        value: record?.value ?? Buffer.alloc(0),
        version: versionOf(record?.version ?? 0),
        expireAtMs: record?.expireAtMs,
        stalenessMs,
      },
    };
  }

  /** Once for each ID, whatever happens. */
  write(request: WriteCase, id: RequestId | undefined): Outcome {
    if (id === undefined) return this.#run(request);
    if (id.answeredBelow > id.number) return failed('INVALID', 'answered_below is above number');
    const name = Buffer.from(id.session).toString('hex');
    let session = this.#sessions.get(name);
    if (session === undefined) {
      if ((sessionStartMs(id.session) ?? 0) < this.#endedBeforeMs)
        return failed('SESSION_ENDED', 'forgotten');
      session = { answeredBelow: 0n, answers: new Map() };
      this.#sessions.set(name, session);
    }
    if (id.number < session.answeredBelow) return failed('SESSION_ENDED', 'answered already');
    const known = session.answers.get(id.number);
    if (known !== undefined) return known;
    const outcome = this.#run(request);
    if (outcome.$case !== 'error') session.answers.set(id.number, outcome);
    if (id.answeredBelow > session.answeredBelow) session.answeredBelow = id.answeredBelow;
    for (const number of session.answers.keys()) {
      if (number < session.answeredBelow) session.answers.delete(number);
    }
    return outcome;
  }

  #run(request: WriteCase): Outcome {
    const { key } = request.value;
    const record = this.records.get(nameOf(key));
    const put = (value: Uint8Array, expireAtMs: bigint | undefined): Uint8Array => {
      const version = (record?.version ?? 0) + 1;
      this.records.set(nameOf(key), { key, value, version, expireAtMs });
      return versionOf(version);
    };
    switch (request.$case) {
      case 'set': {
        const { condition, ifVersion, expiry, value } = request.value;
        const applied =
          condition === SetCondition.UNSPECIFIED ||
          (condition === SetCondition.IF_PRESENT) === (record !== undefined);
        if (!applied) return { $case: 'set', value: { applied, version: Buffer.alloc(0) } };
        if (
          ifVersion !== undefined &&
          Buffer.compare(ifVersion, versionOf(record?.version ?? 0)) !== 0
        ) {
          return failed('VERSION_MISMATCH', 'another version');
        }
        return { $case: 'set', value: { applied, version: put(value, expiryOf(expiry, record)) } };
      }
      case 'delete':
        return { $case: 'delete', value: { deleted: this.records.delete(nameOf(key)) } };
      case 'increment': {
        const text = Buffer.from(record?.value ?? Buffer.from('0')).toString();
        if (!/^-?\d+$/.test(text))
          return failed('NOT_AN_INTEGER', 'the value is not a signed 64-bit integer');
        const value = BigInt(text) + (request.value.by ?? 1n);
        if (BigInt.asIntN(64, value) !== value) return failed('OVERFLOW', 'the sum is too large');
        return {
          $case: 'increment',
          value: { value, version: put(Buffer.from(String(value)), record?.expireAtMs) },
        };
      }
      case 'append': {
        const value = Buffer.concat([record?.value ?? Buffer.alloc(0), request.value.value]);
        return {
          $case: 'append',
          value: { length: BigInt(value.length), version: put(value, record?.expireAtMs) },
        };
      }
      case 'touch': {
        const found = record !== undefined;
        const { expiry } = request.value;
        const expireAtMs = expiry === undefined ? record?.expireAtMs : expiryOf(expiry, record);
        const version = found ? put(record.value, expireAtMs) : Buffer.alloc(0);
        return {
          $case: 'touch',
          value: { found, expireAtMs: found ? expireAtMs : undefined, version },
        };
      }
    }
  }
}

export function failed(reason: ReasonName, message: string): Outcome {
  return { $case: 'error', value: { reason: ErrorReason[reason], message, leader: undefined } };
}

export function versionOf(version: number): Uint8Array {
  return version === 0 ? Buffer.alloc(0) : Buffer.from([0, version]);
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

type GivenExpiry = { readonly $case: string; readonly value: bigint | boolean } | undefined;

function expiryOf(expiry: GivenExpiry, record: FakeRecord | undefined): bigint | undefined {
  if (expiry?.$case === 'keepExpiry') return record?.expireAtMs;
  if (expiry?.$case === 'expireAfterMs') return BigInt(Date.now()) + BigInt(expiry.value);
  if (expiry?.$case === 'expireAtMs') return BigInt(expiry.value);
  return undefined;
}
