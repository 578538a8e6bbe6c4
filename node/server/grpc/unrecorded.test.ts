import { status } from '@grpc/grpc-js';
import { SetRequest } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { call, failureOf, startHarness } from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

describe('a fault between a write and its record', () => {
  it('ends the process: the write must not be executed again when it is sent again', async () => {
    const engine = new MemoryEngine({ shards: 1 });
    engine.leadAll();
    const fault = new Error('what was gathered is lost');
    const broken = Object.defineProperty(engine.asEngine(), 'gathered', {
      get() {
        throw fault;
      },
    });
    await using harness = await startHarness(broken);
    const { keyValue } = harness;
    const request = SetRequest.fromPartial({ key: Buffer.from('a'), value: Buffer.from('b') });
    const failure = await failureOf(call(keyValue, keyValue.set, request));
    expect(failure).to.include({ code: status.INTERNAL });
    expect(harness.unrecorded).to.deep.equal([fault]);
    expect(harness.faults).to.deep.equal([fault]);
  });
});
