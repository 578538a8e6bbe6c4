import { expect } from 'chai';
import { describe, it } from 'mocha';
import { byFrequency, figureTables, withFigures } from './report.ts';

const quantiles = { samples: 4, p50Ms: 12.4, p99Ms: 999.9, maxMs: 1234 };

describe('the report of faults', () => {
  it('is two tables', () => {
    const rows = [{ fault: 'kill', shards: 'leader', reads: quantiles, writes: quantiles }];
    const history = { fault: 'kill', operations: 900, failed: '', unknown: 'TIMEOUT 2', lost: 0 };
    const text = figureTables({ rows, histories: [{ ...history, verdict: 'linearizable' }] });
    expect(text.split('\n')).to.deep.equal([
      '| fault | shards that lost | n | reads: p50 | p99 | max | writes: p50 | p99 | max |',
      '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
      '| kill | leader | 4 | 12 ms | 1000 ms | 1.23 s | 12 ms | 1000 ms | 1.23 s |',
      '',
      '| history | operations | failed | unknown | acknowledged writes lost | Porcupine |',
      '| --- | --- | --- | --- | --- | --- |',
      '| kill | 900 | 0 | TIMEOUT 2 | 0 | linearizable |',
      '',
    ]);
  });

  it('goes between the marks of a page, and again', () => {
    const page = '# A\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nmore\n';
    const once = withFigures(page, 'new\n');
    expect(once).to.equal('# A\n<!-- figures: begin -->\nnew\n<!-- figures: end -->\nmore\n');
    expect(withFigures(once, 'new')).to.equal(once);
    expect(() => withFigures('# A\n', 'new')).to.throw('lacks');
  });

  it('counts errors, most frequent first', () => {
    expect(byFrequency(['B', 'A', 'B', 'C'])).to.equal('B 2, A 1, C 1');
    expect(byFrequency([])).to.equal('');
  });
});
