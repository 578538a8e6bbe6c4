import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { incarnation } from './identity.ts';
import { setsOf } from './in-sync.ts';

const members = ['a', 'b', 'c', 'd'].map((id) => incarnation(`demo-0/${id}`));
const set = fc.subarray(members);

describe('in-sync sets', () => {
  it('are the confirmed set where nothing is in doubt', () => {
    const { maximal, minimal } = setsOf(members, []);
    expect([...maximal]).to.deep.equal(members);
    expect([...minimal]).to.deep.equal(members);
  });

  it('count an addition before it is confirmed, and a removal only after', () => {
    const [a, b, c] = members;
    if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable');
    const { maximal, minimal } = setsOf([a, b], [{ inSync: [a, b, c] }, { inSync: [a] }]);
    expect([...maximal]).to.deep.equal([a, b, c]);
    expect([...minimal]).to.deep.equal([a]);
  });

  it('enclose every set that the store may hold, tightly', () => {
    fc.assert(
      fc.property(set, fc.array(set, { maxLength: 4 }), (confirmed, edits) => {
        const possible = [confirmed, ...edits];
        const { maximal, minimal } = setsOf(
          confirmed,
          edits.map((inSync) => ({ inSync })),
        );
        for (const member of members) {
          const somewhere = possible.some((one) => one.includes(member));
          const everywhere = possible.every((one) => one.includes(member));
          expect(maximal.has(member)).to.equal(somewhere);
          expect(minimal.has(member)).to.equal(everywhere);
        }
      }),
    );
  });
});
