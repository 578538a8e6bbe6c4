import { expect } from 'chai';
import { describe, it } from 'mocha';
import { groupedBars, niceCeiling } from './svg.ts';

describe('plots', () => {
  const svg = groupedBars({
    title: 'Speed <of> r_db & Redis',
    unit: 'operations/s',
    groups: [
      {
        label: 'GET P1',
        bars: [
          { series: 'Redis', value: 100_000, min: 90_000, max: 110_000 },
          { series: 'r_db', value: 50_000 },
        ],
      },
    ],
  });

  it('draw bars in proportion', () => {
    const heights = [...svg.matchAll(/<rect [^>]*height="([\d.]+)" fill[^>]*><title>/g)].map(
      (match) => Number(match[1]),
    );
    expect(heights).to.have.length(2);
    expect((heights[0] ?? 0) / (heights[1] ?? 1)).to.be.closeTo(2, 0.01);
  });

  it('name everything, and escape names', () => {
    for (const words of ['Speed &lt;of&gt; r_db &amp; Redis', 'GET P1', 'Redis: 100k', 'r_db']) {
      expect(svg).to.include(words);
    }
    expect(svg).not.to.match(/NaN|undefined|Infinity/);
  });

  it('scale to round numbers', () => {
    expect([0, 0.7, 1, 130, 2100, 2600].map(niceCeiling)).to.deep.equal([1, 1, 1, 200, 2500, 5000]);
  });

  it('draw nothing from nothing', () => {
    expect(groupedBars({ title: '', unit: '', groups: [] })).not.to.match(/NaN|Infinity/);
  });
});
