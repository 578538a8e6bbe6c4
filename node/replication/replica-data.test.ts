import { expect } from 'chai';
import { describe, it } from 'mocha';
import { incarnation } from './core/identity.ts';
import type { Input } from './core/io.ts';
import { CutPace } from './cut-pace.ts';
import { MemoryReserve } from './memory-reserve.ts';
import { ReplicaData } from './replica-data.ts';
import { stillEngine } from './testing/still-engine.ts';

function dataOf(later: (() => void)[]) {
  const engine = stillEngine({
    publish: () => {},
    takeCut: () => ({ cut: Uint8Array.of(1), cursor: 0n }),
  });
  let nowMs = 0;
  const scheduler = {
    nowMs: () => nowMs,
    after: (ms: number, run: () => void) => {
      later.push(() => {
        nowMs += ms;
        run();
      });
      return () => {};
    },
  };
  const pace = new CutPace(scheduler);
  return new ReplicaData({ shard: 0, engine, pace, reserve: new MemoryReserve(engine) });
}

const asked = { to: incarnation('demo-1/b'), snapshot: 1 };

describe('the copy of a shard', () => {
  it('is cut to its end, and the end is told again with the sessions of that moment', () => {
    const later: (() => void)[] = [];
    const data = dataOf(later);
    const answers: Input[] = [];
    data.create();
    for (let time = 0; time < 3; time++) data.takeCut(asked, (input) => answers.push(input));
    for (const run of later) run();
    const cuts = answers.map((input) => (input.kind === 'cut' ? input.cut : undefined));
    expect(cuts).to.deep.equal([Uint8Array.of(1), undefined, undefined]);
    expect(answers[2]).to.have.property('sessions').that.deep.equals(data.sessions.encode());
  });

  it('is not cut any more once it was dropped during the pause before a cut', () => {
    const later: (() => void)[] = [];
    const data = dataOf(later);
    data.create();
    data.takeCut(asked, () => expect.fail('nobody asks any more'));
    data.drop();
    for (const run of later) run();
    expect(later.length).to.equal(1);
  });
});
