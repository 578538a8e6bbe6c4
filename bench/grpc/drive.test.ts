import { expect } from 'chai';
import { describe, it } from 'mocha';
import { drive } from './drive.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('calls in flight', () => {
  it('are as many as asked for, and all are counted', async () => {
    let running = 0;
    let most = 0;
    let edges = 0;
    const driven = await drive({
      concurrency: 7,
      warmupSeconds: 0.01,
      seconds: 0.02,
      onEdge: async () => {
        expect(running).to.equal(0);
        edges++;
      },
      call: async () => {
        most = Math.max(most, ++running);
        await turn();
        running--;
      },
    });
    expect(most).to.equal(7);
    expect(edges).to.equal(2);
    expect(driven.calls).to.be.at.least(7);
    expect(driven.p50Ns).to.be.within(1, driven.p999Ns);
  });

  it('end with the first wrong answer', async () => {
    let calls = 0;
    const call = async (index: number): Promise<void> => {
      calls++;
      await turn();
      if (index === 3) throw new Error('wrong');
    };
    const work = { concurrency: 2, warmupSeconds: 0, seconds: 10, call };
    const error = await drive(work).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(Error).with.property('message', 'wrong');
    const before = calls;
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(calls).to.equal(before);
  });
});
