import { expect } from 'chai';
import { describe, it } from 'mocha';
import { UsageError } from './errors.ts';
import {
  depths,
  describeOptions,
  flag,
  number,
  one,
  optionalNumber,
  parseOptions,
  several,
  text,
} from './options.ts';

const schema = {
  keys: number('keys', { min: 1, max: 1000, preset: 100 }),
  seconds: number('seconds', { min: 0.1, max: 60, preset: 3, fraction: true }),
  requests: optionalNumber('requests', { min: 1, max: 10 }),
  pipeline: depths('depths', 64, '1,16'),
  against: several('peers', ['redis', 'memcached'], 'redis'),
  output: one('form', ['table', 'json'], 'table'),
  svg: text('plot', 'FILE'),
  smoke: flag('short'),
};

function parse(...argv: string[]) {
  return parseOptions(schema, argv);
}

describe('options', () => {
  it('has presets', () => {
    expect(parse()).to.deep.equal({
      keys: 100,
      seconds: 3,
      requests: undefined,
      pipeline: ['1', '16'],
      against: ['redis'],
      output: 'table',
      svg: undefined,
      smoke: false,
    });
  });

  it('takes values in both spellings', () => {
    const given = parse('--keys', '1_000', '--seconds=0.5', '--pipeline', '1, 1-64', '--smoke');
    expect(given.keys).to.equal(1000);
    expect(given.seconds).to.equal(0.5);
    expect(given.pipeline).to.deep.equal(['1', '1-64']);
    expect(given.smoke).to.equal(true);
  });

  it('takes lists, an empty one too', () => {
    expect(parse('--against', 'redis,memcached').against).to.deep.equal(['redis', 'memcached']);
    expect(parse('--against', '').against).to.deep.equal([]);
  });

  const wrong: readonly (readonly [readonly string[], string])[] = [
    [['--keys', '0'], '--keys: "0" is not a whole number from 1 to 1000'],
    [['--keys', '1.5'], '--keys: "1.5" is not a whole number from 1 to 1000'],
    [['--keys', 'many'], '--keys: "many" is not a whole number from 1 to 1000'],
    [['--keys='], '--keys: "" is not a whole number from 1 to 1000'],
    [['--seconds', '61'], '--seconds: "61" is not a number from 0.1 to 60'],
    [['--requests', '11'], '--requests: "11" is not a whole number from 1 to 10'],
    [['--pipeline', '65'], '--pipeline: "65" is no depth'],
    [['--pipeline', '8-4'], '--pipeline: "8-4" is no depth'],
    [['--pipeline', '1,,2'], '--pipeline: "" is no depth'],
    [['--against', 'mysql'], '--against: "mysql" is unknown; known: redis, memcached'],
    [['--output', 'xml'], '--output: "xml" is unknown; known: table, json'],
    [['--kyes', '5'], "Unknown option '--kyes'"],
    [['resp'], "Unexpected argument 'resp'"],
    [['--keys'], "Option '--keys <value>' argument missing"],
    [['--smoke=yes'], "Option '--smoke' does not take an argument"],
  ];
  for (const [argv, message] of wrong) {
    it(`refuses ${argv.join(' ')}`, () => {
      expect(() => parse(...argv)).to.throw(UsageError, message);
    });
  }

  it('describes itself', () => {
    const help = describeOptions(schema);
    expect(help).to.match(/--keys N +keys \(100\)/);
    expect(help).to.match(/--output table\|json +form \(table\)/);
    expect(help).to.match(/--smoke +short$/m);
  });
});
