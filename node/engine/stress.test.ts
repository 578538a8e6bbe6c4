import { expect } from 'chai';
import { describe, it } from 'mocha';
import { breakableReplicatedRules, breakableRules } from './constants.ts';
import { runGatherStress } from './testing/gather-stress.ts';
import { runStress } from './testing/stress.ts';
import { breakableModule } from './testing/variants.ts';

describe('engine under several threads', function () {
  this.timeout(40_000);

  it('shows no torn, lost, stale or freed record, with instances made under load', async () => {
    const module = await breakableModule();
    const { violations, commands } = await runStress({
      module,
      readers: 2,
      writers: 2,
      pairs: 24,
      durationMs: 2000,
      lateInstances: 20,
    });
    expect(violations).to.deep.equal([]);
    expect(commands).to.be.greaterThan(200);
  });

  it('shows none in the released build either', async () => {
    const { violations } = await runStress({
      module: undefined,
      readers: 1,
      writers: 2,
      pairs: 3,
      durationMs: 1000,
    });
    expect(violations).to.deep.equal([]);
  });

  describe('notices a build that breaks', () => {
    for (const rule of breakableRules) {
      it(rule, async () => {
        const { violations } = await runStress({
          module: await breakableModule(),
          breaks: rule,
          readers: 2,
          writers: 1,
          pairs: 4,
          // Ends with the first thing that it notices; the rest is for busy machines.
          durationMs: 20_000,
        });
        expect(violations).to.have.length.greaterThan(0);
      });
    }
  });
});

describe('engine with several copies under several threads', function () {
  this.timeout(40_000);

  it('shows nothing uncommitted, loses nothing, and a follower is its equal', async () => {
    const module = await breakableModule();
    const result = await runGatherStress({
      module,
      readers: 1,
      writers: 2,
      pairs: 24,
      durationMs: 3000,
    });
    expect(result.violations).to.deep.equal([]);
    expect(result.committed).to.be.greaterThan(10);
    expect(result.takenBack).to.be.greaterThan(3);
  });

  describe('notices a build that breaks', () => {
    for (const rule of breakableReplicatedRules) {
      it(rule, async () => {
        const { violations } = await runGatherStress({
          module: await breakableModule(),
          breaks: rule,
          readers: 1,
          writers: 2,
          pairs: 4,
          // Ends with the first thing that it notices; the rest is for busy machines.
          durationMs: 20_000,
        });
        expect(violations).to.have.length.greaterThan(0);
      });
    }
  });
});
