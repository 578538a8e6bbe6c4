import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { RequestGate } from './request-gate.ts';

/** Requests as they go out; each is answered by hand. */
function fixture(count: number) {
  const scheduler = new ManualScheduler();
  const gate = new RequestGate({ first: 2, most: 5, stepMs: 50, scheduler });
  const begun: number[] = [];
  const requests = Array.from({ length: count }, () => Promise.withResolvers<number>());
  const done = requests.map(({ promise }, index) =>
    gate
      .run(() => {
        begun.push(index);
        return promise;
      })
      .catch((error: Error) => error.message),
  );
  const answer = async (index: number): Promise<void> => {
    requests[index]?.resolve(index);
    expect(await done[index]).to.equal(index);
    await turn();
  };
  return { scheduler, gate, begun, requests, done, answer };
}

const turn = () => new Promise(setImmediate);

describe('request gate', () => {
  it('lets few out at first, in order, and with each answer one more', async () => {
    const { begun, answer } = fixture(12);
    expect(begun).to.deep.equal([0, 1]);
    await answer(0);
    expect(begun).to.deep.equal([0, 1, 2, 3]);
    await answer(2);
    await answer(1);
    await answer(3);
    // Five are out, and stay the most.
    expect(begun).to.have.length(4 + 5);
    await answer(4);
    expect(begun).to.have.length(4 + 6);
  });

  it('survives failures', async () => {
    const { begun, requests, done } = fixture(3);
    requests[1]?.reject(new Error('failed'));
    expect(await done[1]).to.equal('failed');
    await turn();
    expect(begun).to.deep.equal([0, 1, 2]);
  });

  it('opens step by step where no answer comes', async () => {
    const { begun, scheduler } = fixture(9);
    await scheduler.advance(49);
    expect(begun).to.have.length(2);
    await scheduler.advance(1);
    expect(begun).to.have.length(4);
    await scheduler.advance(50);
    expect(begun).to.have.length(5);
    await scheduler.advance(500);
    expect(begun).to.have.length(5);
  });

  it('begins with few again when all are answered', async () => {
    const { gate, begun, answer } = fixture(4);
    for (let index = 0; index < 4; index++) await answer(index);
    const later = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    for (const [index, { promise }] of later.entries()) {
      void gate.run(() => {
        begun.push(10 + index);
        return promise;
      });
    }
    expect(begun).to.deep.equal([0, 1, 2, 3, 10, 11]);
    for (const { resolve } of later) resolve();
  });
});
