/**
 * A quick part of the simulation. A failure names its seed:
 * `npm run simulate -- --seeds 1 --from <seed> --profile <profile> --trace` runs it again.
 */
import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { BreakableRule } from '../core/rules.ts';
import { profileOf } from './profiles.ts';
import { simulate } from './simulate.ts';

const seeds = 12;
const seedsToBreakMax = 40;

describe('simulation of clusters', function () {
  this.timeout(120_000);

  it('keeps every guarantee under random faults', () => {
    let epochs = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation, profile, operations, epochs: seen } = simulate({ seed });
      if (violation !== undefined) throw new Error(`seed ${seed} (${profile}): ${violation}`);
      expect(operations, `operations of seed ${seed}`).to.be.above(50);
      epochs += seen;
    }
    // A run in which no leader ever changed would show nothing.
    expect(epochs).to.be.above(seeds);
  });

  it('does the same for the same seed', () => {
    const first = simulate({ seed: 7, traced: true });
    const second = simulate({ seed: 7, traced: true });
    expect(first.trace.length).to.be.above(100);
    expect(second.trace).to.deep.equal(first.trace);
  });

  const quick: readonly BreakableRule[] = [
    'commit-by-majority',
    'read-unchecked',
    'campaign-unexpired',
    'names-not-incarnations',
  ];
  for (const broken of quick) {
    it(`notices ${broken}`, () => {
      const found = Array.from({ length: seedsToBreakMax }, (_, index) => index + 1).find(
        (seed) => simulate({ seed, broken, profile: profileOf[broken] }).violation !== undefined,
      );
      expect(found, 'the first seed that notices').to.be.a('number');
    });
  }
});
