import { Metadata, status } from '@grpc/grpc-js';
import { Acknowledge, Consistency } from '@r-db/proto/generated/rdb/v1/common.ts';
import { ErrorReason } from '@r-db/proto/generated/rdb/v1/errors.ts';
import {
  type AppendResponse,
  type BatchRequest,
  type BatchResponse,
  GetRequest,
  type GetResponse,
  type IncrementResponse,
  type Operation,
  SetCondition,
  SetRequest,
  type SetResponse,
  type StreamResponse,
  type TouchRequest,
  type TouchResponse,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { ParkReason } from '../../engine/types.ts';
import { ANSWER_BYTES_MAX, BATCH_OPERATIONS_MAX } from './limits.ts';
import {
  call,
  failureOf,
  type Harness,
  readFailure,
  startHarness,
  topologyOf,
} from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

const SHARDS = 4;
const VALUE_BYTES_MAX = 2 * 1024 * 1024;
const bytes = (text: string): Buffer => Buffer.from(text);

describe('KeyValue over gRPC', () => {
  let engine: MemoryEngine;
  let harness: Harness;

  beforeEach(async () => {
    engine = new MemoryEngine({ shards: SHARDS, keyBytesMax: 100, valueBytesMax: VALUE_BYTES_MAX });
    engine.leadAll();
    harness = await startHarness(engine.asEngine());
  });

  afterEach(async () => {
    await harness[Symbol.asyncDispose]();
    expect(harness.faults).to.deep.equal([]);
    expect(engine.calls.every((operations) => operations <= BATCH_OPERATIONS_MAX)).to.equal(true);
  });

  const get = (key: string, more: Partial<GetRequest> = {}): Promise<GetResponse> =>
    call(
      harness.keyValue,
      harness.keyValue.get,
      GetRequest.fromPartial({ key: bytes(key), ...more }),
    );
  const set = (key: string, value: string, more: Partial<SetRequest> = {}): Promise<SetResponse> =>
    call(harness.keyValue, harness.keyValue.set, {
      ...SetRequest.fromPartial({ key: bytes(key), value: bytes(value) }),
      ...more,
    });
  const batch = (request: Partial<BatchRequest>): Promise<BatchResponse> =>
    call(harness.keyValue, harness.keyValue.batch, batchOf(request));

  it('stores and reads, with versions that change', async () => {
    const first = await set('a', '1');
    expect(first.applied).to.equal(true);
    const read = await get('a');
    expect(read).to.include({ found: true, expireAtMs: undefined, stalenessMs: undefined });
    expect(read.value).to.deep.equal(bytes('1'));
    expect(read.version).to.deep.equal(first.version);
    expect((await set('a', '2')).version).not.to.deep.equal(first.version);
    expect(await get('nothing')).to.include({ found: false });
  });

  it('takes empty keys and values', async () => {
    await set('', '');
    expect(await get('')).to.include({ found: true });
  });

  it('tells that ANY_REPLICA is fresh where the leader answers', async () => {
    await set('a', '1');
    expect(await get('a', { consistency: Consistency.ANY_REPLICA })).to.include({ stalenessMs: 0 });
  });

  it('tells of ANY_REPLICA where another leads how old it may be, and of which generation it is', async () => {
    const { version } = await set('a', '1');
    const shard = keyToShard('a', SHARDS);
    const freshAsOfMs = Math.floor(performance.now()) - 300;
    engine.publish(shard, { role: 'elsewhere', replicaReadable: true, generation: 1, freshAsOfMs });
    const answer = await get('a', { consistency: Consistency.ANY_REPLICA });
    expect(answer).to.deep.include({ value: bytes('1'), version });
    expect(answer.stalenessMs).to.be.within(300, 30_000);
    expect(await failureOf(get('a'))).to.include({ reason: 'NO_LEADER' });
  });

  it('keeps conditions and versions', async () => {
    expect(await set('a', '1', { condition: SetCondition.IF_PRESENT })).to.include({
      applied: false,
    });
    const { version } = await set('a', '1', { condition: SetCondition.IF_ABSENT });
    expect(await set('a', '2', { condition: SetCondition.IF_ABSENT })).to.include({
      applied: false,
    });
    expect((await set('a', '3', { ifVersion: version })).applied).to.equal(true);
    const failure = await failureOf(set('a', '4', { ifVersion: version }));
    expect(failure).to.include({ code: status.FAILED_PRECONDITION, reason: 'VERSION_MISMATCH' });
    expect((await get('a')).value).to.deep.equal(bytes('3'));
  });

  it('recognises a version of data that was lost', async () => {
    const { version } = await set('a', '1');
    engine.leadAll(2);
    const failure = await failureOf(set('a', '2', { ifVersion: version }));
    expect(failure).to.include({ code: status.DATA_LOSS, reason: 'GENERATION_CHANGED' });
  });

  it('expires, keeps, removes and reads expiries', async () => {
    const before = Date.now();
    await set('a', '1', { expiry: { $case: 'expireAfterMs', value: 60_000n } });
    const first = Number((await get('a')).expireAtMs);
    expect(first).to.be.within(before + 60_000, Date.now() + 60_000);
    await set('a', '2', { expiry: { $case: 'keepExpiry', value: true } });
    expect(Number((await get('a')).expireAtMs)).to.equal(first);
    const touch = (expiry?: TouchRequest['expiry']): Promise<TouchResponse> =>
      call(harness.keyValue, harness.keyValue.touch, {
        key: bytes('a'),
        expiry,
        acknowledge: Acknowledge.UNSPECIFIED,
        requestId: undefined,
      });
    expect(Number((await touch()).expireAtMs)).to.equal(first);
    const at = BigInt(first + 5);
    expect((await touch({ $case: 'expireAtMs', value: at })).expireAtMs).to.equal(at);
    expect((await touch({ $case: 'removeExpiry', value: true })).expireAtMs).to.equal(undefined);
    await touch({ $case: 'expireAtMs', value: 1n });
    expect(await get('a')).to.include({ found: false });
    expect(await touch()).to.include({ found: false });
  });

  it('adds and appends', async () => {
    const more = { acknowledge: Acknowledge.LEADER, requestId: undefined };
    const increment = (key: string, by?: bigint): Promise<IncrementResponse> =>
      call(harness.keyValue, harness.keyValue.increment, { key: bytes(key), by, ...more });
    expect((await increment('n')).value).to.equal(1n);
    expect((await increment('n', -5n)).value).to.equal(-4n);
    expect(await failureOf(increment('n', -(2n ** 63n)))).to.include({
      code: status.OUT_OF_RANGE,
      reason: 'OVERFLOW',
    });
    expect((await increment('n', 0n)).value).to.equal(-4n);
    const append = (): Promise<AppendResponse> =>
      call(harness.keyValue, harness.keyValue.append, {
        key: bytes('t'),
        value: bytes('ab'),
        ...more,
      });
    await append();
    expect((await append()).length).to.equal(4n);
    expect(await failureOf(increment('t'))).to.include({
      code: status.FAILED_PRECONDITION,
      reason: 'NOT_AN_INTEGER',
    });
  });

  it('names the field that is wrong', async () => {
    const requestId = { session: new Uint8Array(16), number: 1n, answeredBelow: 0n };
    await set('ok', '1', { requestId });
    const cases: [Promise<unknown>, RegExp][] = [
      [
        set('a', '1', { expiry: { $case: 'expireAfterMs', value: 0n } }),
        /expire_after_ms.*at least 1/,
      ],
      [set('a', '1', { expiry: { $case: 'expireAtMs', value: -1n } }), /expire_at_ms.*at least 1/],
      [set('a', '1', { expiry: { $case: 'expireAfterMs', value: 2n ** 62n } }), /expire_after_ms/],
      [set('a', '1', { ifVersion: bytes('x') }), /if_version/],
      [set('a', '1', { ifVersion: bytes('x'), condition: SetCondition.IF_ABSENT }), /condition/],
      [set('a', '1', { condition: 9 as SetCondition }), /condition/],
      [
        set('a', '1', { requestId: { ...requestId, session: bytes('x') } }),
        /session has 1 bytes, not 16/,
      ],
      [set('a', '1', { requestId: { ...requestId, number: 0n } }), /number counts from 1/],
      [set('a', '1', { requestId: { ...requestId, answeredBelow: 2n } }), /answered_below/],
    ];
    for (const [promise, message] of cases) {
      const failure = await failureOf(promise);
      expect(failure, String(message)).to.include({
        code: status.INVALID_ARGUMENT,
        reason: 'INVALID',
      });
      expect(failure.message).to.match(message);
    }
  });

  it('refuses what is too large and says the limit', async () => {
    const large = 'x'.repeat(VALUE_BYTES_MAX + 1);
    const cases: [Promise<unknown>, RegExp][] = [
      [get('k'.repeat(101)), /key has 101 bytes; at most 100/],
      [set('a', large), /value has 2097153 bytes; at most 2097152/],
      [
        batch({ operations: many(BATCH_OPERATIONS_MAX + 1, setOf('a', '1')) }),
        /4097 operations; at most 4096/,
      ],
      [
        batch({ operations: many(2, setOf('a', 'x'.repeat(600_000))) }),
        /1200002 bytes .* at most 1048576/,
      ],
    ];
    for (const [promise, message] of cases) {
      const failure = await failureOf(promise);
      expect(failure, String(message)).to.include({
        code: status.INVALID_ARGUMENT,
        reason: 'TOO_LARGE',
      });
      expect(failure.message).to.match(message);
    }
    const one = await batch({ operations: [setOf('a', 'x'.repeat(VALUE_BYTES_MAX))] });
    expect(one.results[0]?.outcome?.$case).to.equal('set');
  });

  it('refuses a message over the limit without reading it whole', async () => {
    const failure = await failureOf(set('a', 'x'.repeat(2 * VALUE_BYTES_MAX)));
    expect(failure).to.include({ code: status.INVALID_ARGUMENT, reason: 'TOO_LARGE' });
    expect(failure.message).to.match(/larger than max \(\d+ vs \d+\)/);
    expect(await get('a')).to.include({ found: false });
  });

  it('has no Watch yet, and says so', async () => {
    const stream = harness.keyValue.watch({
      target: undefined,
      resumeToken: bytes(''),
      withPresent: false,
    });
    const error = await new Promise<Error & { code: number }>((resolve) =>
      stream.on('error', (e) => resolve(e as Error & { code: number })),
    );
    expect(error.code).to.equal(status.UNIMPLEMENTED);
    expect(error.message).to.contain('KeyValue.Watch is not in this version');
  });

  describe('Batch', () => {
    it('answers mixed operations on many shards in order, each with its own outcome', async () => {
      const keys = Array.from({ length: 50 }, (_, i) => `key${i}`);
      await batch({ operations: keys.map((key) => setOf(key, key)) });
      const operations = [
        ...keys.map(getOf),
        op({ $case: 'delete', value: { key: bytes('key0'), ...none, ifVersion: undefined } }),
        op({ $case: 'increment', value: { key: bytes('key1'), ...none, by: undefined } }),
        op({ $case: 'get', value: { key: bytes('k'.repeat(101)), consistency: 0 } }),
        op(undefined),
        getOf('key0'),
      ];
      const { results } = await batch({ operations });
      expect(results.length).to.equal(operations.length);
      keys.forEach((key, i) => {
        const outcome = results[i]?.outcome;
        expect(outcome?.$case === 'get' && outcome.value.value.toString()).to.equal(key);
      });
      const reasons = results
        .slice(50)
        .map(({ outcome }) => (outcome?.$case === 'error' ? outcome.value.reason : outcome?.$case));
      const { NOT_AN_INTEGER, TOO_LARGE, INVALID } = ErrorReason;
      expect(reasons).to.deep.equal(['delete', NOT_AN_INTEGER, TOO_LARGE, INVALID, 'get']);
      const last = results.at(-1)?.outcome;
      expect(last?.$case === 'get' && last.value.found).to.equal(false);
    });

    it('answers an empty batch', async () => {
      expect(await batch({ operations: [] })).to.deep.equal({ results: [] });
    });

    it('sends operations to who took a shard over, though the topology does not tell it yet', async () => {
      const shard = keyToShard('a', SHARDS);
      engine.publish(shard, { role: 'elsewhere' });
      harness.setTopology(topologyOf(SHARDS, ['test-0']));
      harness.otherLeaders.set(shard, 'test-1');
      const error = errorOf((await batch({ operations: [getOf('a')] })).results, 0);
      expect(error).to.deep.include({ reason: ErrorReason.NOT_LEADER });
      expect(error.leader).to.include({ shard, node: 'test-1' });
    });

    it('sends operations on shards led elsewhere to their leader', async () => {
      engine.publish(keyToShard('a', SHARDS), { role: 'elsewhere' });
      const { results } = await batch({ operations: [getOf('a'), setOf('b', '1')] });
      expect(errorOf(results, 0)).to.include({ reason: ErrorReason.NO_LEADER, retryAfterMs: 50 });
      expect(results[1]?.outcome?.$case).to.equal('set');
      harness.setTopology(topologyOf(SHARDS, ['test-1']));
      const error = errorOf((await batch({ operations: [getOf('a')] })).results, 0);
      expect(error.reason).to.equal(ErrorReason.NOT_LEADER);
      const grpc = { host: '127.0.0.1', port: 7380 };
      const resp = { host: '127.0.0.1', port: 6380 };
      expect(error.leader).to.deep.equal({
        shard: keyToShard('a', SHARDS),
        node: 'test-1',
        grpc,
        resp,
      });
      const failure = await failureOf(get('a'));
      expect(failure).to.include({ code: status.FAILED_PRECONDITION, reason: 'NOT_LEADER' });
      const shard = String(keyToShard('a', SHARDS));
      expect(failure.metadata).to.deep.equal({
        shard,
        leader: 'test-1',
        grpc: '127.0.0.1:7380',
        resp: '127.0.0.1:6380',
      });
    });

    it('answers NO_LEADER while the topology still names this node', async () => {
      engine.publish(keyToShard('a', SHARDS), { role: 'elsewhere' });
      harness.setTopology(topologyOf(SHARDS, ['test-0']));
      expect(await failureOf(get('a'))).to.include({
        code: status.UNAVAILABLE,
        reason: 'NO_LEADER',
        retryAfterMs: 50,
      });
    });

    it('bounds its answer: what does not fit is to be asked again, and fits then', async () => {
      const value = 'x'.repeat(1024 * 1024);
      for (let i = 0; i < 8; i++) await set(`big${i}`, value);
      const keys = Array.from({ length: 8 }, (_, i) => `big${i}`);
      const { results } = await batch({ operations: keys.map(getOf) });
      const read = results.filter(({ outcome }) => outcome?.$case === 'get').length;
      expect(read).to.equal(ANSWER_BYTES_MAX / value.length);
      expect(errorOf(results, 7)).to.include({ reason: ErrorReason.OVERLOADED, retryAfterMs: 0 });
      const again = await batch({ operations: [getOf('big7')] });
      expect(again.results[0]?.outcome?.$case).to.equal('get');
    });

    it('asks the engine for few reads at first, then for as many as fit', async () => {
      await batch({ operations: many(1000, getOf('a')) });
      expect(engine.calls).to.deep.equal([16, 256, 728]);
    });
  });

  describe('parking', () => {
    it('waits for a busy shard, keeps the order of its operations, and does the others meanwhile', async () => {
      const shard = keyToShard('a', SHARDS);
      engine.parked.set(shard, ParkReason.Busy);
      const other = 'other';
      expect(keyToShard(other, SHARDS)).not.to.equal(shard);
      const answer = batch({ operations: [setOf('a', '1'), setOf(other, '2'), getOf('a')] });
      await engine.waited(shard);
      expect((await get(other)).found).to.equal(true);
      engine.unpark(shard);
      const { results } = await answer;
      expect(results.map(({ outcome }) => outcome?.$case)).to.deep.equal(['set', 'set', 'get']);
      const last = results[2]?.outcome;
      expect(last?.$case === 'get' && last.value.value.toString()).to.equal('1');
    });

    it('lets nothing overtake an operation that parked, also when its shard is free a moment later', async () => {
      const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
      const parked = keyToShard('key3', SHARDS);
      engine.parkedOnce.add(parked);
      engine.parkedOnce.add(keyToShard('key7', SHARDS));
      const operations = keys.flatMap((key) => [setOf(key, key), getOf(key)]);
      const { results } = await batch({ operations });
      expect(
        results.every(({ outcome }) => outcome !== undefined && outcome.$case !== 'error'),
      ).to.equal(true);
      for (let shard = 0; shard < SHARDS; shard++) {
        const ofShard = (all: readonly string[]) =>
          all.filter((key) => keyToShard(key, SHARDS) === shard);
        expect(ofShard(engine.executed)).to.deep.equal(ofShard(keys).flatMap((key) => [key, key]));
      }
      expect(engine.executed.length).to.equal(operations.length);
    });

    it('is over before the deadline is, and says that nothing was done', async () => {
      const shard = keyToShard('a', SHARDS);
      engine.publish(shard, { role: 'starting' });
      const failure = await new Promise<ReturnType<typeof readFailure>>((resolve) => {
        const request = GetRequest.fromPartial({ key: bytes('a') });
        const deadline = Date.now() + 1_000;
        harness.keyValue.get(request, new Metadata(), { deadline }, (error) => {
          resolve(readFailure(error ?? { code: status.OK, details: '', metadata: new Metadata() }));
        });
      });
      expect(failure).to.include({
        code: status.UNAVAILABLE,
        reason: 'NO_LEADER',
        retryAfterMs: 50,
      });
    });
  });

  describe('Stream', () => {
    it('answers batches in their order, a refused one too, and goes on', async () => {
      const stream = harness.keyValue.stream();
      for (let i = 0; i < 200; i++) {
        stream.write({
          tag: BigInt(i),
          batch: batchOf({ operations: [setOf(`k${i}`, '1'), getOf(`k${i}`)] }),
        });
      }
      stream.write({ tag: 200n, batch: batchOf({ operations: many(5000, getOf('a')) }) });
      stream.write({ tag: 201n, batch: undefined });
      stream.write({ tag: 202n, batch: batchOf({ operations: [getOf('k7')] }) });
      stream.end();
      const answers: StreamResponse[] = [];
      for await (const answer of stream as AsyncIterable<StreamResponse>) answers.push(answer);
      expect(answers.map(({ tag }) => Number(tag))).to.deep.equal(
        Array.from({ length: 203 }, (_, i) => i),
      );
      expect(answers[199]?.batch?.results.map(({ outcome }) => outcome?.$case)).to.deep.equal([
        'set',
        'get',
      ]);
      expect(answers[200]?.error?.reason).to.equal(ErrorReason.TOO_LARGE);
      expect(answers[201]?.error?.reason).to.equal(ErrorReason.INVALID);
      expect(answers[202]?.batch?.results.length).to.equal(1);
    });

    it('gives up waiting after the time that the request allows', async () => {
      engine.parked.set(keyToShard('a', SHARDS), ParkReason.Frozen);
      const stream = harness.keyValue.stream();
      stream.write({ tag: 1n, batch: batchOf({ operations: [setOf('a', '1')] }), timeoutMs: 20 });
      stream.end();
      for await (const answer of stream as AsyncIterable<StreamResponse>) {
        expect(errorOf(answer.batch?.results ?? [], 0).reason).to.equal(ErrorReason.OVERLOADED);
      }
    });

    it('reads no further than the client takes answers', async () => {
      await set('big', 'x'.repeat(1024 * 1024));
      const before = engine.calls.length;
      const stream = harness.keyValue.stream();
      for (let i = 0; i < 100; i++)
        stream.write({ tag: BigInt(i), batch: batchOf({ operations: [getOf('big')] }) });
      await new Promise((resolve) => stream.once('readable', resolve));
      // Far fewer than 100 are run before anybody reads: a window and some messages.
      expect(engine.calls.length - before).to.be.below(50);
      stream.cancel();
      stream.on('error', () => undefined);
    });
  });
});

const none = { acknowledge: Acknowledge.UNSPECIFIED, requestId: undefined };

function op(request: Operation['request']): Operation {
  return { request };
}

function getOf(key: string): Operation {
  return op({ $case: 'get', value: { key: bytes(key), consistency: 0 } });
}

function setOf(key: string, value: string): Operation {
  return op({
    $case: 'set',
    value: SetRequest.fromPartial({ key: bytes(key), value: bytes(value) }),
  });
}

function many(count: number, operation: Operation): Operation[] {
  return new Array<Operation>(count).fill(operation);
}

function batchOf(request: Partial<BatchRequest>): BatchRequest {
  return { operations: [], consistency: 0, acknowledge: 0, requestId: undefined, ...request };
}

function errorOf(results: BatchResponse['results'], index: number) {
  const outcome = results[index]?.outcome;
  if (outcome?.$case !== 'error')
    throw new Error(`result ${index} is a ${outcome?.$case}, no error`);
  return outcome.value;
}
