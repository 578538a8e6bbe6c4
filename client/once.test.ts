import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { afterEach, describe, it } from 'mocha';
import { type Client, type ConnectOptions, connect, op, RdbError } from './mod.ts';
import { type FakeCluster, type Fault, startFakeCluster } from './testing/fake-cluster.ts';

const SHARDS = 8;
const shardOf = (key: string): number => keyToShard(key, SHARDS);

describe('writes that happen once', () => {
  const opened: AsyncDisposable[] = [];

  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
  });

  async function start(
    options: Partial<ConnectOptions> & { retriesOnce?: boolean } = {},
  ): Promise<{ cluster: FakeCluster; client: Client }> {
    const { retriesOnce = true, ...rest } = options;
    const cluster = await startFakeCluster({ shards: SHARDS, retriesOnce });
    const client = await connect({ addresses: [cluster.nodes[0]?.address ?? ''], ...rest });
    opened.push(cluster, { [Symbol.asyncDispose]: () => client.close() });
    return { cluster, client };
  }

  const lost: [string, Fault][] = [
    ['the request is lost', 'break'],
    ['the answer is lost', { after: 'break' }],
    ['the node says that it does not know, and did nothing', 'OUTCOME_UNKNOWN'],
    ['the node says that it does not know, and did it', { after: 'OUTCOME_UNKNOWN' }],
    ['the node ran out of time', { after: 'DEADLINE_EXCEEDED' }],
    ['the node did it and says that it did nothing', { after: 'NO_LEADER' }],
  ];
  for (const [what, fault] of lost) {
    it(`are sent again when ${what}`, async () => {
      const { cluster, client } = await start();
      await client.increment('n');
      cluster.leaderOf('n').faults.push(fault);
      expect(await client.increment('n')).to.equal(2n);
      expect(await client.increment('n')).to.equal(3n);
    });
  }

  it('are sent again when nothing comes, to whom it may', async () => {
    const { cluster, client } = await start();
    cluster.leaderOf('n').faults.push({ after: 'hang' });
    const begun = performance.now();
    expect(await client.increment('n')).to.equal(1n);
    expect(performance.now() - begun).to.be.within(900, 3_000);
  });

  it('go to the new leader as soon as there is one, though the old one only hangs', async () => {
    const { cluster, client } = await start();
    const [old, heir] = [shardOf('n') % 3, (shardOf('n') + 1) % 3];
    cluster.nodes[old]?.faults.push({ after: 'hang' });
    const begun = performance.now();
    const done = client.increment('n');
    while (cluster.nodes[old]?.batches.length === 0) await new Promise(setImmediate);
    cluster.lead(shardOf('n'), heir);
    expect(await done).to.equal(1n);
    expect(performance.now() - begun).to.be.lessThan(500);
    expect(cluster.nodes[heir]?.batches).to.deep.equal([['n']]);
  });

  it('find the new leader when the node that told the topology hangs too', async () => {
    const { cluster, client } = await start();
    const [teller] = cluster.nodes.filter((node) => node.openTopologies() > 0);
    const key = ['a', 'b', 'c', 'd', 'e', 'f'].find((one) => cluster.leaderOf(one) === teller);
    if (teller === undefined || key === undefined) throw new Error('no key of the teller');
    teller.faults.push({ after: 'hang' });
    teller.silent = true;
    const done = client.increment(key);
    cluster.lead(shardOf(key), (cluster.nodes.indexOf(teller) + 1) % 3);
    expect(await done).to.equal(1n);
  });

  it('keep their numbers when the batch around them is another one', async () => {
    const { cluster, client } = await start();
    const node = cluster.leaderOf('n');
    node.faults.push({ after: 'OUTCOME_UNKNOWN' });
    const first = client.batch([op.get('n'), op.increment('n'), op.append('n', '0')]);
    while (node.batches.length === 0) await new Promise(setImmediate);
    const second = client.batch([op.touch('n'), op.increment('n'), op.get('n')]);
    const [, one, appended] = await first;
    expect(one.ok && one.value).to.equal(1n);
    expect(appended.ok && appended.value).to.equal(2);
    const [, eleven] = await second;
    expect(eleven.ok && eleven.value).to.equal(11n);
  });

  it('are not sent again where nodes remember no answers', async () => {
    const { cluster, client } = await start({ retriesOnce: false });
    const node = cluster.leaderOf('n');
    for (const fault of ['break', 'OUTCOME_UNKNOWN'] as const) {
      node.faults.push({ after: fault });
      const error = await failureOf(client.increment('n'));
      expect(error).to.include({ reason: 'OUTCOME_UNKNOWN', retryable: false });
    }
    node.faults.push({ after: 'hang' });
    const late = await failureOf(client.increment('n', 1, { timeoutMs: 50 }));
    expect(late).to.include({ reason: 'DEADLINE_EXCEEDED', retryable: false });
    expect((await client.get('n'))?.text).to.equal('3');
    expect(node.batches.length).to.equal(4);
  });

  it('take a new session when theirs was forgotten before they were sent', async () => {
    const { cluster, client } = await start();
    await client.increment('n');
    cluster.endSessions(Date.now() + 1);
    expect(await client.increment('n')).to.equal(2n);
    cluster.endSessions(Date.now() + 60_000);
    expect(await client.increment('n'), 'clocks a minute apart').to.equal(3n);
  });

  it('say SESSION_ENDED when it was forgotten and they may have happened', async () => {
    const { cluster, client } = await start();
    const node = cluster.leaderOf('n');
    await client.increment('n');
    node.faults.push({ after: 'OUTCOME_UNKNOWN' });
    const done = failureOf(client.increment('n'));
    while (node.faults.length > 0) await new Promise(setImmediate);
    cluster.endSessions(Date.now() + 1);
    expect(await done).to.include({ reason: 'SESSION_ENDED', retryable: false });
  });

  it('count exactly once under any losses and changes of leader', async () => {
    const fault = fc.constantFrom<Fault>(
      'break',
      'late',
      'NO_LEADER',
      'SHARD_MOVING',
      'OUTCOME_UNKNOWN',
      { after: 'break' },
      { after: 'hang' },
      { after: 'OUTCOME_UNKNOWN' },
      { after: 'DEADLINE_EXCEEDED' },
      { after: 'NOT_ENOUGH_IN_SYNC' },
    );
    const event = fc.oneof(
      fc.record({ node: fc.nat(2), fault }),
      fc.record({ lead: fc.nat(SHARDS - 1), node: fc.nat(2), silently: fc.boolean() }),
      fc.record({ increments: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 6 }) }),
    );
    const { cluster, client } = await start({ timeoutMs: 9_000 });
    let rounds = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
        const prefix = `${rounds++}:`;
        const counts = new Map<string, Promise<bigint>[]>();
        for (const one of events) {
          if ('fault' in one) cluster.nodes[one.node]?.faults.push(one.fault);
          else if ('lead' in one && one.silently) cluster.leadSilently(one.lead, one.node);
          else if ('lead' in one) cluster.lead(one.lead, one.node);
          else if ('increments' in one) {
            for (const key of one.increments.map((name) => prefix + name)) {
              counts.set(key, [...(counts.get(key) ?? []), client.increment(key)]);
            }
            await new Promise(setImmediate);
          }
        }
        for (const [key, results] of counts) {
          const values = (await Promise.all(results)).map(Number).sort((a, b) => a - b);
          expect(values, key).to.deep.equal(results.map((_, i) => i + 1));
          expect((await client.get(key))?.text).to.equal(String(results.length));
        }
        for (const node of cluster.nodes) node.faults.length = 0;
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }).timeout(60_000);
});

async function failureOf(promise: Promise<unknown>): Promise<RdbError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RdbError) return error;
    throw error;
  }
  throw new Error('the call did not fail');
}
