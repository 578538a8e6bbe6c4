import { type Harness, startHarness } from '@r-db/node/server/grpc/testing/harness.ts';
import { MemoryEngine } from '@r-db/node/server/grpc/testing/memory-engine.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { WrongAnswerError } from '../errors.ts';
import { startEmptyGrpc } from '../servers/empty_grpc.ts';
import { type Caller, openCaller } from './client.ts';

const numbers = [0, 7, 7, 1499];

describe('calls of the gRPC benchmark', () => {
  let harness: Harness;
  let caller: Caller;

  beforeEach(async () => {
    const engine = new MemoryEngine({ shards: 4, keyBytesMax: 100, valueBytesMax: 1000 });
    engine.leadAll();
    harness = await startHarness(engine.asEngine());
    caller = openCaller(harness.server.port, 'stored');
  });
  afterEach(async () => {
    caller[Symbol.dispose]();
    await harness[Symbol.asyncDispose]();
  });

  const forms = [
    ['get', () => caller.get(1499)],
    ['batch', () => caller.batch(numbers)],
    ['stream', () => Promise.all([caller.stream(numbers), caller.stream([1])]).then(() => {})],
  ] as const;
  for (const [form, call] of forms) {
    it(`${form}: accepts what was stored, and nothing else`, async () => {
      await caller.store(1500);
      await call();
      await new Promise((resolve, reject) => {
        const key = Buffer.from('key:000000001499');
        const request = { key, value: Buffer.from('another value'), ...unset };
        harness.keyValue.set(request, (error) => (error ? reject(error) : resolve(undefined)));
      });
      expect(await call().catch((error: unknown) => error)).to.be.instanceOf(WrongAnswerError);
    });

    it(`${form}: refuses a key that is missing`, async () => {
      expect(await call().catch((error: unknown) => error)).to.be.instanceOf(WrongAnswerError);
    });
  }

  it('reach the server that does nothing, in all forms', async () => {
    await using empty = await startEmptyGrpc();
    using other = openCaller(empty.grpcPort, 'anything');
    await other.get(5);
    await other.batch(numbers);
    await other.stream(numbers);
  });
});

const unset = {
  expiry: undefined,
  condition: 0,
  ifVersion: undefined,
  acknowledge: 0,
  requestId: undefined,
} as const;
