import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { median, percentile, ratios, spread } from './statistics.ts';

const values = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1 });

describe('statistics', () => {
  it('takes the middle, or the mean of the two in the middle', () => {
    expect(median([3])).to.equal(3);
    expect(median([9, 1, 5])).to.equal(5);
    expect(median([4, 1, 10, 2])).to.equal(3);
  });

  it('has as many values on each side of the median', () => {
    fc.assert(
      fc.property(values, (all) => {
        const middle = median(all);
        const below = all.filter((value) => value < middle).length;
        const above = all.filter((value) => value > middle).length;
        expect(below).to.be.at.most(all.length / 2);
        expect(above).to.be.at.most(all.length / 2);
      }),
    );
  });

  it('tells the smallest and the largest', () => {
    expect(spread([2, 9, 4])).to.deep.equal({ median: 4, min: 2, max: 9 });
  });

  it('compares each round with its neighbour, not with the median of all', () => {
    // The machine was three times slower in the second round, for both.
    expect(ratios([20, 8, 22], [10, 4, 10])).to.deep.equal({ median: 2, min: 2, max: 2.2 });
  });

  it('finds percentiles among the values themselves', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentile(hundred, 0.5)).to.equal(50);
    expect(percentile(hundred, 0.99)).to.equal(99);
    expect(percentile(hundred, 1)).to.equal(100);
    expect(percentile(hundred, 0)).to.equal(1);
  });

  it('refuses what has no answer', () => {
    expect(() => median([])).to.throw('no values');
    expect(() => spread([1, Number.NaN])).to.throw('not all of these are numbers');
    expect(() => ratios([1, 2], [1])).to.throw('2 rounds cannot be paired with 1');
    expect(() => ratios([1], [0])).to.throw('not all of these are numbers');
  });
});
