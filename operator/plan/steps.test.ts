import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { nextAssignment } from './steps.ts';

const all = ['a', 'b', 'c', 'd', 'e'];
const nodes = new Set(all);
const next = (
  current: readonly string[],
  planned: readonly string[],
  [leader, ...others]: readonly string[],
) => nextAssignment({ current, planned, nodes, copies: { leader, inSync: setOf(leader, others) } });

function setOf(leader: string | undefined, others: readonly string[]): Set<string> {
  return new Set(leader === undefined ? others : [leader, ...others]);
}

describe('a step from one assignment to another', () => {
  it('adds first, and takes away once all others are in sync', () => {
    expect(next(['a', 'b'], ['a', 'c'], ['a', 'b'])).to.deep.equal(['a', 'c', 'b']);
    expect(next(['a', 'c', 'b'], ['a', 'c'], ['a', 'b'])).to.deep.equal(['a', 'c', 'b']);
    expect(next(['a', 'c', 'b'], ['a', 'c'], ['a', 'b', 'c'])).to.deep.equal(['a', 'c']);
  });

  it('never takes the leader, who hands over to the first', () => {
    expect(next(['a', 'b', 'c'], ['a'], ['c', 'a', 'b'])).to.deep.equal(['a', 'c']);
    expect(next(['a', 'c'], ['a'], ['a', 'c'])).to.deep.equal(['a']);
  });

  it('drops nodes that there are not, in sync or not', () => {
    expect(next(['a', 'z'], ['a', 'b'], ['a'])).to.deep.equal(['a', 'b']);
  });

  it('ends at the plan if leader and copies follow, and every copy in sync stays until the plan is whole', () => {
    const some = (min: number, max: number) =>
      fc.shuffledSubarray(all, { minLength: min, maxLength: max });
    fc.assert(
      fc.property(some(1, 5), some(1, 5), (from, planned) => {
        let current: readonly string[] = from;
        let inSync = new Set(from);
        let leader = from[0];
        for (let round = 0; round < 4; round++) {
          const stepped = nextAssignment({ current, planned, nodes, copies: { leader, inSync } });
          const lost = [...inSync].filter((node) => !stepped.includes(node));
          const whole = planned.every((node) => inSync.has(node));
          if (!whole && from.length + planned.length <= 6) expect(lost).to.deep.equal([]);
          expect(stepped).to.include(leader);
          current = stepped;
          inSync = new Set(stepped);
          leader = stepped[0];
        }
        expect(current).to.deep.equal(planned);
      }),
    );
  });
});
