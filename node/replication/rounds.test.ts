import { expect } from 'chai';
import { limits } from './limits.ts';
import { Rounds } from './rounds.ts';

describe('rounds of batches', () => {
  it('let batches go off at once while few are out', () => {
    const rounds = new Rounds();
    for (let out = 1; out < limits.roundBatchesMin; out++) rounds.began(100);
    expect(rounds.nextMs(100)).to.equal(100);
  });

  it('hold more back until enough have ended, or for a bounded time from when the round began', () => {
    const rounds = new Rounds();
    for (let out = 0; out < limits.roundBatchesMin; out++) rounds.began(100 + out / 10);
    expect(rounds.nextMs(100.5)).to.equal(100 + limits.roundMs);
    rounds.ended();
    expect(rounds.nextMs(100.5)).to.equal(100.5);
    rounds.began(100.6);
    expect(rounds.nextMs(100.7)).to.equal(100 + limits.roundMs);
  });

  it('begin anew once nothing is out', () => {
    const rounds = new Rounds();
    rounds.began(100);
    rounds.ended();
    for (let out = 0; out < limits.roundBatchesMin; out++) rounds.began(200);
    expect(rounds.nextMs(200)).to.equal(200 + limits.roundMs);
  });
});
