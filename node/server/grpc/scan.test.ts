import { status } from '@grpc/grpc-js';
import {
  type BatchResponse,
  ScanRequest,
  type ScanResponse,
  SetRequest,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { ParkReason } from '../../engine/types.ts';
import {
  call,
  collect,
  failureOf,
  type Harness,
  startHarness,
  topologyOf,
} from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

const SHARDS = 4;
const KEYS = Array.from({ length: 100 }, (_, i) => `key${i}`);

describe('KeyValue.Scan', () => {
  let engine: MemoryEngine;
  let harness: Harness;

  beforeEach(async () => {
    engine = new MemoryEngine({ shards: SHARDS });
    engine.leadAll();
    harness = await startHarness(engine.asEngine());
    const operations = KEYS.map((key) => ({
      request: {
        $case: 'set' as const,
        value: SetRequest.fromPartial({
          key: Buffer.from(key),
          value: Buffer.from(`value of ${key}`),
        }),
      },
    }));
    const request = {
      operations,
      consistency: 0 as const,
      acknowledge: 0 as const,
      requestId: undefined,
    };
    const answer: BatchResponse = await call(harness.keyValue, harness.keyValue.batch, request);
    expect(answer.results.length).to.equal(KEYS.length);
  });

  afterEach(async () => {
    await harness[Symbol.asyncDispose]();
    expect(harness.faults).to.deep.equal([]);
  });

  const scan = (request: Partial<ScanRequest>): Promise<ScanResponse[]> =>
    collect(harness.keyValue.scan(ScanRequest.fromPartial(request)));

  it('walks all shards in pages', async () => {
    const pages = await scan({ pageSize: 10 });
    expect(keysOf(pages)).to.have.members(KEYS);
    expect(pages.every(({ entries }) => entries.length <= 10)).to.equal(true);
    expect(
      pages.every(({ entries, shard }) =>
        entries.every(({ key }) => keyToShard(key, SHARDS) === shard),
      ),
    ).to.equal(true);
    expect(
      pages.every(({ entries }) => entries.every(({ value }) => value === undefined)),
    ).to.equal(true);
    expect(pages.at(-1)?.resumeToken.length).to.equal(0);
  });

  it('sends values and only matching keys, if asked to', async () => {
    const pages = await scan({ match: Buffer.from('key1*'), withValues: true });
    expect(keysOf(pages)).to.have.members(KEYS.filter((key) => key.startsWith('key1')));
    const entry = pages.flatMap(({ entries }) => entries)[0];
    expect(Buffer.from(entry?.value ?? []).toString()).to.equal(
      `value of ${Buffer.from(entry?.key ?? [])}`,
    );
  });

  it('goes on from any token', async () => {
    const pages = await scan({ pageSize: 7 });
    for (const [i, { resumeToken }] of pages.entries()) {
      if (resumeToken.length === 0) continue;
      const rest = await scan({ pageSize: 7, resumeToken });
      expect(keysOf(rest)).to.deep.equal(keysOf(pages.slice(i + 1)));
    }
  });

  it('ends after the limit', async () => {
    const pages = await scan({ pageSize: 5, limit: 12n });
    expect(keysOf(pages).length).to.be.within(12, 16);
  });

  it('walks the shards named, in their order', async () => {
    const pages = await scan({ shards: [3, 1] });
    expect(pages.map(({ shard }) => shard)).to.deep.equal([3, 1]);
  });

  it('ends with NOT_LEADER at a shard led elsewhere; what came before is told', async () => {
    harness.setTopology(topologyOf(SHARDS, ['test-1']));
    engine.publish(2, { role: 'elsewhere' });
    const pages: ScanResponse[] = [];
    const stream = harness.keyValue.scan(ScanRequest.fromPartial({}));
    stream.on('data', (page: ScanResponse) => pages.push(page));
    const failure = await failureOf(new Promise((_, reject) => stream.on('error', reject)));
    expect(failure).to.include({ code: status.FAILED_PRECONDITION, reason: 'NOT_LEADER' });
    expect(failure.metadata).to.include({ shard: '2', leader: 'test-1' });
    expect(pages.map(({ shard }) => shard)).to.deep.equal([0, 1]);
    engine.leadAll();
    const rest = await scan({ resumeToken: pages[1]?.resumeToken ?? Buffer.alloc(0) });
    expect(rest.map(({ shard }) => shard)).to.deep.equal([2, 3]);
  });

  it('waits for a shard that is parked', async () => {
    engine.parked.set(1, ParkReason.NotServing);
    const all = scan({});
    await engine.waited(1);
    engine.unpark(1);
    expect(keysOf(await all).length).to.equal(KEYS.length);
  });

  it('does not go on in data of another generation', async () => {
    const [first] = await scan({ pageSize: 3 });
    engine.leadAll(2);
    const failure = await failureOf(scan({ resumeToken: first?.resumeToken ?? Buffer.alloc(0) }));
    expect(failure).to.include({ code: status.DATA_LOSS, reason: 'GENERATION_CHANGED' });
  });

  it('says what is wrong with a request', async () => {
    const [page] = await scan({ shards: [0], pageSize: 1 });
    const cases: [Parameters<typeof scan>[0], RegExp][] = [
      [{ shards: [9] }, /shards must be below 4; 9 is not/],
      [{ shards: [1, 1] }, /twice/],
      [{ pageSize: 5000 }, /page_size must be at most 4096/],
      [{ match: Buffer.alloc(2000) }, /match must have at most 1024 bytes/],
      [{ resumeToken: Buffer.from('nonsense') }, /resume_token must be one/],
      [
        { shards: [1], resumeToken: page?.resumeToken ?? Buffer.alloc(0) },
        /shard that shards does not name/,
      ],
    ];
    for (const [request, message] of cases) {
      const failure = await failureOf(scan(request));
      expect(failure).to.include({ code: status.INVALID_ARGUMENT, reason: 'INVALID' });
      expect(failure.message).to.match(message);
    }
  });
});

function keysOf(pages: readonly ScanResponse[]): string[] {
  return pages.flatMap(({ entries }) => entries.map(({ key }) => Buffer.from(key).toString()));
}
