/** The gRPC services over the real engine: what the engine of maps in the other tests can't show. */

import type { StatsResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { ErrorReason } from '@r-db/proto/generated/rdb/v1/errors.ts';
import {
  type BatchResponse,
  type Operation,
  ScanRequest,
  SetRequest,
  TouchRequest,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { attachEngine, createArena } from '../../engine/engine.ts';
import type { Engine } from '../../engine/types.ts';
import { call, collect, failureOf, type Harness, startHarness } from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

const SHARDS = 8;
const MiB = 1024 * 1024;

describe('gRPC over the engine', () => {
  let engine: Engine;
  let harness: Harness;

  before(async () => {
    const arena = createArena({
      reservedBytes: 256 * MiB,
      budgetBytes: 128 * MiB,
      threads: 1,
      shards: SHARDS,
      hashSeed: 0x0123_4567_89ab_cdefn,
      keyBytesMax: 65_536,
      valueBytesMax: 16 * MiB,
    });
    engine = attachEngine(arena, 0);
    for (let shard = 0; shard < SHARDS; shard++) {
      engine.createShard(shard);
      lead(shard);
    }
    harness = await startHarness(engine);
  });

  after(async () => {
    await harness[Symbol.asyncDispose]();
    expect(harness.faults).to.deep.equal([]);
  });

  function lead(shard: number): void {
    engine.publish(shard, {
      role: 'leader',
      epoch: 1,
      generation: 1,
      readUntilMs: Number.POSITIVE_INFINITY,
      writable: true,
    });
  }

  const batch = (operations: Operation[]): Promise<BatchResponse> =>
    call(harness.keyValue, harness.keyValue.batch, {
      operations,
      consistency: 0,
      acknowledge: 0,
      requestId: undefined,
    });

  it('answers thousands of operations on all shards', async () => {
    const keys = Array.from({ length: 2000 }, (_, i) => `many:${i}`);
    const { results } = await batch(
      keys.flatMap((key) => [setOf(key, `value of ${key}`), getOf(key)]),
    );
    keys.forEach((key, i) => {
      const [set, get] = [results[2 * i]?.outcome, results[2 * i + 1]?.outcome];
      if (set?.$case !== 'set' || get?.$case !== 'get') throw new Error(`no answer for ${key}`);
      expect(Buffer.from(get.value.value).toString()).to.equal(`value of ${key}`);
      expect(get.value.version).to.deep.equal(set.value.version);
    });
  });

  it('passes values of every length whole', async () => {
    for (const length of [0, 1, 7, 63, 64, 4095, 65_536, 300_000, 16 * MiB]) {
      const value = Buffer.alloc(length, `${length} `);
      await batch([
        op({ $case: 'set', value: SetRequest.fromPartial({ key: Buffer.from('long'), value }) }),
      ]);
      const { results } = await batch([getOf('long')]);
      const outcome = results[0]?.outcome;
      expect(
        outcome?.$case === 'get' && value.equals(outcome.value.value),
        `${length} bytes`,
      ).to.equal(true);
    }
    const append = op({
      $case: 'append',
      value: {
        key: Buffer.from('long'),
        value: Buffer.from('x'),
        acknowledge: 0,
        requestId: undefined,
      },
    });
    const { results } = await batch([append]);
    const outcome = results[0]?.outcome;
    expect(outcome?.$case === 'error' && outcome.value.reason).to.equal(ErrorReason.TOO_LARGE);
    await batch([
      op({
        $case: 'delete',
        value: { key: Buffer.from('long'), acknowledge: 0, requestId: undefined },
      }),
    ]);
  });

  it('says that memory is used up, and goes on', async () => {
    const value = Buffer.alloc(16 * MiB);
    let reason: string | undefined;
    for (let i = 0; i < 20 && reason === undefined; i++) {
      const request = SetRequest.fromPartial({ key: Buffer.from(`full:${i}`), value });
      const set = call(harness.keyValue, harness.keyValue.set, request);
      reason = await set.then(
        () => undefined,
        async (error) => (await failureOf(Promise.reject(error))).reason,
      );
    }
    expect(reason).to.equal('OUT_OF_MEMORY');
    await batch(Array.from({ length: 20 }, (_, i) => deleteOf(`full:${i}`)));
    const { results } = await batch([setOf('after', '1')]);
    expect(results[0]?.outcome?.$case).to.equal('set');
  });

  it('waits for a shard that takes over, in order', async () => {
    for (let shard = 0; shard < SHARDS; shard++) engine.publish(shard, { role: 'starting' });
    const keys = Array.from({ length: 100 }, (_, i) => `starting:${i}`);
    const answer = batch(
      keys.flatMap((key) => [op(incrementOf(key)), op(incrementOf(key)), getOf(key)]),
    );
    await new Promise(setImmediate);
    for (let shard = 0; shard < SHARDS; shard++) lead(shard);
    const { results } = await answer;
    keys.forEach((_, i) => {
      const get = results[3 * i + 2]?.outcome;
      expect(get?.$case === 'get' && Buffer.from(get.value.value).toString()).to.equal('2');
    });
  });

  it('scans everything that is there, with values', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `scan:${i}`);
    await batch(keys.map((key) => setOf(key, key)));
    const request = ScanRequest.fromPartial({
      match: Buffer.from('scan:*'),
      withValues: true,
      pageSize: 100,
    });
    const pages = await collect(harness.keyValue.scan(request));
    const found = new Map(
      pages.flatMap(({ entries }) => entries).map(({ key, value }) => [text(key), text(value)]),
    );
    expect(found.size).to.equal(keys.length);
    for (const [key, value] of found) expect(value).to.equal(key);
    let token = pages[10]?.resumeToken;
    const rest = new Set<string>();
    while (token !== undefined && token.length > 0) {
      const more = await collect(
        harness.keyValue.scan(
          ScanRequest.fromPartial({ ...request, resumeToken: token, limit: 500n }),
        ),
      );
      for (const { entries } of more) for (const { key } of entries) rest.add(text(key));
      token = more.at(-1)?.resumeToken;
    }
    const before = new Set(
      pages.slice(0, 11).flatMap(({ entries }) => entries.map(({ key }) => text(key))),
    );
    expect(keys.filter((key) => !before.has(key) && !rest.has(key))).to.deep.equal([]);
  });

  it('tells figures that agree with what was stored', async () => {
    const stats: StatsResponse = await call(harness.cluster, harness.cluster.stats, {});
    const pages = await collect(harness.keyValue.scan(ScanRequest.fromPartial({})));
    const keys = pages.reduce((sum, { entries }) => sum + entries.length, 0);
    expect(stats.shards.reduce((sum, shard) => sum + Number(shard.keys), 0)).to.equal(keys);
    expect(stats.memory?.budget).to.equal(BigInt(128 * MiB));
    expect(stats.shards.length).to.equal(SHARDS);
  });

  it('answers as the model of maps does, whatever is asked', async () => {
    const model = new MemoryEngine({ shards: SHARDS });
    model.leadAll();
    await using other = await startHarness(model.asEngine());
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operationArbitrary(), { maxLength: 60 }), async (made) => {
        const prefix = `model:${run++}:`;
        const operations = made.map((make) => make(prefix));
        const both = await Promise.all(
          [harness, other].map(
            async ({ keyValue }): Promise<BatchResponse> =>
              call(keyValue, keyValue.batch, {
                operations,
                consistency: 0,
                acknowledge: 0,
                requestId: undefined,
              }),
          ),
        );
        expect(plain(both[0])).to.deep.equal(plain(both[1]));
      }),
      { numRuns: 100 },
    );
  });
});

/** Operations on few keys, so that they meet. */
function operationArbitrary(): fc.Arbitrary<(prefix: string) => Operation> {
  const name = fc.constantFrom('a', 'b', 'c{x}', 'd{x}');
  const value = fc.oneof(
    fc.constantFrom('', '1', '-7', '9223372036854775807', 'text'),
    fc.string({ maxLength: 100 }),
  );
  const common = { acknowledge: 0 as const, requestId: undefined };
  const key = (prefix: string, one: string) => Buffer.from(prefix + one);
  return fc.oneof(
    name.map((n) => (prefix: string) => getOf(prefix + n)),
    fc.tuple(name, value, fc.constantFrom(0, 1, 2), fc.boolean()).map(
      ([n, v, condition, keep]) =>
        (prefix: string) =>
          op({
            $case: 'set',
            value: {
              ...common,
              key: key(prefix, n),
              value: Buffer.from(v),
              condition: condition as 0 | 1 | 2,
              expiry: keep
                ? { $case: 'keepExpiry', value: true }
                : { $case: 'expireAtMs', value: 4_000_000_000_000n },
            },
          }),
    ),
    name.map((n) => (prefix: string) => deleteOf(prefix + n)),
    fc.tuple(name, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map(
      ([n, by]) =>
        (prefix: string) =>
          op({ $case: 'increment', value: { ...common, key: key(prefix, n), by } }),
    ),
    fc.tuple(name, value).map(
      ([n, v]) =>
        (prefix: string) =>
          op({ $case: 'append', value: { ...common, key: key(prefix, n), value: Buffer.from(v) } }),
    ),
    fc
      .tuple(name, fc.constantFrom('read', 'set', 'remove'))
      .map(([n, what]) => (prefix: string) => {
        const request = TouchRequest.fromPartial({ key: key(prefix, n) });
        if (what === 'set') request.expiry = { $case: 'expireAtMs', value: 4_100_000_000_000n };
        if (what === 'remove') request.expiry = { $case: 'removeExpiry', value: true };
        return op({ $case: 'touch', value: request });
      }),
  );
}

/** Without versions and messages: they may differ between engines. */
function plain(response: BatchResponse | undefined): unknown {
  return response?.results.map(({ outcome }) => {
    if (outcome?.$case === 'error') return outcome.value.reason;
    const entries = Object.entries(outcome?.value ?? {}).filter(([name]) => name !== 'version');
    return [
      outcome?.$case,
      ...entries.map(([name, value]) => [name, value instanceof Uint8Array ? text(value) : value]),
    ];
  });
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function op(request: Operation['request']): Operation {
  return { request };
}

function getOf(key: string): Operation {
  return op({ $case: 'get', value: { key: Buffer.from(key), consistency: 0 } });
}

function setOf(key: string, value: string): Operation {
  return op({
    $case: 'set',
    value: SetRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from(value) }),
  });
}

function deleteOf(key: string): Operation {
  return op({
    $case: 'delete',
    value: { key: Buffer.from(key), acknowledge: 0, requestId: undefined },
  });
}

function incrementOf(key: string): Operation['request'] {
  return {
    $case: 'increment',
    value: { key: Buffer.from(key), by: 1n, acknowledge: 0, requestId: undefined },
  };
}
