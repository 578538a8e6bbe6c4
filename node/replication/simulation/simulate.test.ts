/**
 * A quick part of the simulation. A failure names its seed:
 * `npm run simulate -- --seeds 1 --from <seed> --profile <profile> --trace` runs it again.
 */
import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { BreakableRule } from '../core/rules.ts';
import { hunt } from './hunt.ts';
import { simulate } from './simulate.ts';

const seeds = 100;
const seedsToBreakMax = 60;

describe('simulation of clusters', function () {
  this.timeout(120_000);

  it('keeps every guarantee under random faults', () => {
    let epochs = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation, profile, operations, epochs: seen } = simulate({ seed });
      if (violation !== undefined) throw new Error(`seed ${seed} (${profile}): ${violation}`);
      expect(operations, `operations of seed ${seed}`).to.be.above(20);
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

  // Those that few seeds show; `npm run simulate -- --break all --seeds 2000` shows all.
  const quick: readonly BreakableRule[] = [
    'commit-by-majority',
    'shrink-early-promise',
    'grow-late',
    'grow-not-caught-up',
    'old-epoch-accepted',
    'ack-without-sequence',
    'promise-from-receipt',
    'promise-without-margin',
    'read-unchecked',
    'campaign-unexpired',
    'campaign-outside-set',
    'take-over-drops-pending',
    'take-over-trusts-pending',
    'commit-unreconciled',
    'minimum-of-maximal',
  ];
  for (const rule of quick) {
    it(`notices ${rule}`, () => {
      const { violation } = hunt({ rule, from: 1, seeds: seedsToBreakMax });
      expect(violation, `after ${seedsToBreakMax} seeds`).to.be.an('error');
    });
  }
});
