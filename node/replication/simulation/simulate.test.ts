/**
 * A quick part of the simulation. A failure names its seed:
 * `npm run simulate -- --seeds 1 --from <seed> --profile <profile> --trace` runs it again.
 */
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { rules } from './broken.ts';
import { hunt } from './hunt.ts';
import { simulate } from './simulate.ts';

const seeds = 100;
/** Enough for the slowest of them many times over. */
const seedsToBreakMax = 1_000;

describe('simulation of clusters', function () {
  this.timeout(120_000);

  it('keeps every guarantee under random faults', () => {
    const seen = { operations: 0, epochs: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation, profile, operations, epochs } = simulate({ seed });
      if (violation !== undefined) throw new Error(`seed ${seed} (${profile}): ${violation}`);
      expect(operations, `operations of seed ${seed}`).to.be.above(0);
      seen.operations += operations;
      seen.epochs += epochs;
    }
    // Runs in which little was done and no leader ever changed would show nothing.
    expect(seen.operations).to.be.above(100 * seeds);
    expect(seen.epochs).to.be.above(2 * seeds);
  });

  it('does the same for the same seed', () => {
    const first = simulate({ seed: 7, traced: true });
    const second = simulate({ seed: 7, traced: true });
    expect(first.trace.length).to.be.above(100);
    expect(second.trace).to.deep.equal(first.trace);
  });

  for (const rule of rules) {
    it(`notices ${rule}`, () => {
      const { violation } = hunt({ rule, from: 1, seeds: seedsToBreakMax });
      expect(violation, `after ${seedsToBreakMax} seeds`).to.be.an('error');
    });
  }
});
