import { expect } from 'chai';
import { describe, it } from 'mocha';
import { canonicalJson, contains, defined, hashOf } from './json.ts';
import { canonicalQuantity, parseQuantity, sameQuantity, unitsRoundedUp } from './quantity.ts';

describe('canonical JSON', () => {
  it('is the same for the same content', () => {
    expect(canonicalJson({ b: 1, a: [{ d: 1, c: undefined }] })).to.equal('{"a":[{"d":1}],"b":1}');
    expect(hashOf({ a: 1, b: 2 })).to.equal(hashOf({ b: 2, a: 1 }));
    expect(hashOf({ a: 1 })).to.match(/^[0-9a-f]{12}$/);
  });

  it('leaves undefined fields out, and keeps empty objects', () => {
    expect(defined({ a: undefined, b: {}, c: [{ d: undefined }] })).to.deep.equal({
      b: {},
      c: [{}],
    });
  });
});

describe('what stands contains what is wanted', () => {
  const cases: readonly [string, unknown, unknown, boolean][] = [
    ['defaults of the server', { a: 1, b: 2 }, { a: 1 }, true],
    ['another value', { a: 1 }, { a: 2 }, false],
    ['a missing field', { a: 1 }, { b: 1 }, false],
    [
      'quantities spelt otherwise',
      { memory: '1Gi', cpu: '500m' },
      { memory: '1024Mi', cpu: 0.5 },
      true,
    ],
    ['what is empty and left out', {}, { a: {}, b: [], c: false, d: 0, e: '' }, true],
    ['true where false is wanted', { a: true }, { a: false }, false],
    ['an item where none is wanted', { a: [1] }, { a: [] }, false],
    ['lists of other length', { a: [1, 2] }, { a: [1] }, false],
    ['objects in lists', { a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }, true],
  ];
  for (const [what, actual, wanted, expected] of cases) {
    it(`${expected ? 'overlooks' : 'sees'} ${what}`, () => {
      expect(contains(actual as never, wanted as never)).to.equal(expected);
    });
  }
});

describe('quantities', () => {
  it('are exact', () => {
    expect(parseQuantity('1.5')).to.equal(1_500_000_000n);
    expect(parseQuantity('100m')).to.equal(100_000_000n);
    expect(parseQuantity('2e3')).to.equal(2_000_000_000_000n);
    expect(parseQuantity('5E-1')).to.equal(500_000_000n);
    expect(parseQuantity('1Ki')).to.equal(1_024_000_000_000n);
    expect(parseQuantity('.5')).to.equal(500_000_000n);
    expect(parseQuantity('-1')).to.equal(-1_000_000_000n);
    for (const wrong of ['', '.', 'Gi', '1gi', '1 Gi', 'x']) {
      expect(parseQuantity(wrong), wrong).to.equal(undefined);
    }
  });

  it('have one spelling each', () => {
    const spellings = [
      ['1024Mi', '1Gi'],
      ['0.5', '500m'],
      ['1000m', '1'],
      ['1500Mi', '1500Mi'],
      ['1000k', '1M'],
      ['0', '0'],
      ['512', '512'],
      ['1Gi', '1Gi'],
    ] as const;
    for (const [given, expected] of spellings) expect(canonicalQuantity(given)).to.equal(expected);
    expect(sameQuantity('1Gi', 1024 ** 3)).to.equal(true);
    expect(unitsRoundedUp('1500m')).to.equal(2);
  });
});
