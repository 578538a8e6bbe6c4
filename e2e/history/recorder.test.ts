/** The harness as a whole, against a database in memory: it finds every bug, and none where there is none. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { counts, lostWrites } from './figures.ts';
import { allKeys, shardKeys } from './keys.ts';
import { check } from './linearizability.ts';
import type { Operation } from './operation.ts';
import { Recorder } from './recorder.ts';
import type { Connect } from './store.ts';
import { type Bug, fakeConnect } from './testing/fake-store.ts';

const shards = 2;
const enough = 500;

describe('recorded clients', () => {
  it('find nothing wrong with a good database, and use every kind of operation', async () => {
    const history = await record('none');
    expect(check(history).faults).to.deep.equal([]);
    expect(lostWrites(history)).to.equal(0);
    const found = counts(history);
    for (const kind of ['read', 'write', 'increment', 'compare-and-set', 'write unknown UNKNOWN']) {
      expect(found.get(kind), kind).to.be.above(2);
    }
    for (const { key } of allKeys(shardKeys('t', shards))) {
      expect(
        history.some((one) => one.key === key && one.final),
        key,
      ).to.equal(true);
    }
  });

  for (const bug of [
    'stale reads',
    'lost writes',
    'double increments',
    'values out of thin air',
    'failed writes that happened',
    'blind compare-and-sets',
  ] as const) {
    it(`find ${bug}`, async () => {
      const { verdict } = check(await record(bug));
      expect(verdict).to.equal('not linearizable');
    });
  }

  it('go on while an operation is stuck', async () => {
    let release = (): void => undefined;
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const fake = fakeConnect('none');
    let first = true;
    const connect: Connect = (shard) => {
      const store = fake(shard);
      return {
        close: () => store.close(),
        read: (key) => store.read(key),
        increment: (key) => store.increment(key),
        compareAndSet: (key, seen, value) => store.compareAndSet(key, seen, value),
        write: async (key, value) => {
          // Whichever task connects first: the first write is stuck.
          if (first) {
            first = false;
            await stuck;
          }
          return await store.write(key, value);
        },
      };
    };
    const recorder = new Recorder({ name: 'a', keys: shardKeys('t', 1), connect, intervalMs: 2 });
    const by = (process: string) => recorder.history.filter((one) => one.process === process);
    while (by('a-writer-0.1').length < 10) await sleep(5);
    const before = by('a-writer-0.0').length;
    release();
    await recorder.stop();
    expect(by('a-writer-0.0').length).to.equal(before + 1);
    expect(check(recorder.history).verdict).to.equal('linearizable');
  });
});

/** Two recorders at once, as in the tests on Kubernetes. */
async function record(bug: Bug): Promise<readonly Operation[]> {
  const connect = fakeConnect(bug);
  const keys = shardKeys('t', shards);
  const recorders = ['a', 'b'].map((name) => new Recorder({ name, connect, keys, intervalMs: 3 }));
  await Promise.all(recorders.map((recorder) => reached(recorder, enough)));
  await Promise.all(recorders.map((recorder) => recorder.stop()));
  await recorders[0]?.readAll(allKeys(keys));
  return recorders.flatMap(({ history }) => history);
}

async function reached(recorder: Recorder, operations: number): Promise<void> {
  while (recorder.history.length < operations || !recorder.going) {
    await sleep(5);
  }
}
