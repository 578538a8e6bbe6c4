import { expect } from 'chai';
import { describe, it } from 'mocha';
import { digits, milliseconds, perSecond, ratio, table } from './table.ts';

describe('tables', () => {
  it('align words to the left, numbers to the right', () => {
    const text = table(
      ['server', 'k/s'],
      [
        ['Redis', '9.5'],
        ['r_db', '101'],
      ],
    );
    expect(text.split('\n')).to.deep.equal([
      '| server | k/s |',
      '| ------ | --- |',
      '| Redis  | 9.5 |',
      '| r_db   | 101 |',
    ]);
  });

  it('show three digits', () => {
    expect([0, 0.012345, 0.999, 1, 9.996, 12.34, 123.4, 1234.5].map((value) => digits(value)))
      .to //
      .deep.equal(['0', '0.0123', '0.999', '1.00', '10.0', '12.3', '123', '1230']);
  });

  it('show rates, times and ratios with their units', () => {
    expect(perSecond(98_765)).to.equal('98.8 k');
    expect(perSecond(1_234_567)).to.equal('1.23 M');
    expect(milliseconds(81_234)).to.equal('0.0812');
    expect(ratio({ median: 1.234, min: 1, max: 2 })).to.equal('1.23 (1.00–2.00)');
  });
});
