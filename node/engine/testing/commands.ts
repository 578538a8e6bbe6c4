/** Random commands for property tests: few keys of one slot, values of every form, edges of numbers. */
import fc from 'fast-check';

export const keys = Array.from(
  { length: 12 },
  (_, index) => `{t}${'k'.repeat(index * index)}${index}`,
);

const key = fc.constantFrom(...keys);
const number = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.constantFrom('9223372036854775807', '-9223372036854775808', '9223372036854775808', '007', ''),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map(String),
);
const value = fc.oneof(
  number,
  fc.string({ maxLength: 30, unit: 'binary-ascii' }),
  fc.integer({ min: 200, max: 5000 }).map((length) => 'v'.repeat(length)),
);
const longValue = fc.constantFrom(65_536, 65_537, 100_000).map((length) => 'w'.repeat(length));
const anyValue = fc.oneof({ weight: 30, arbitrary: value }, { weight: 1, arbitrary: longValue });
const expiry = fc.oneof(fc.integer({ min: -2, max: 40 }).map(String), number);

const setOption = fc.oneof(
  fc.constantFrom(['NX'], ['XX'], ['GET'], ['KEEPTTL'], ['NOPE'], ['EX'], ['IFEQ']),
  fc.tuple(fc.constantFrom('EX', 'PX'), expiry),
  fc.tuple(fc.constantFrom('EXAT'), fc.integer({ min: 0, max: 2000 }).map(String)),
  fc.tuple(fc.constantFrom('PXAT'), fc.integer({ min: 0, max: 2_000_000 }).map(String)),
  value.map((compared) => ['IFEQ', compared]),
);
const expireOption = fc.constantFrom('NX', 'XX', 'GT', 'LT');

function words(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string[]> {
  return fc.tuple(...parts);
}

export const command: fc.Arbitrary<string[]> = fc.oneof(
  { weight: 6, arbitrary: words(fc.constant('GET'), key) },
  { weight: 6, arbitrary: words(fc.constant('SET'), key, anyValue) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(key, value, fc.array(setOption, { maxLength: 3 }))
      .map(([k, v, options]) => ['SET', k, v, ...options.flat()]),
  },
  words(fc.constant('SETNX'), key, value),
  fc.array(key, { minLength: 1, maxLength: 12 }).map((some) => ['MGET', ...some]),
  fc
    .array(fc.tuple(key, value), { minLength: 1, maxLength: 6 })
    .map((some) => ['MSET', ...some.flat()]),
  fc.array(key, { minLength: 1, maxLength: 4 }).map((some) => ['DEL', ...some]),
  fc.array(key, { minLength: 1, maxLength: 4 }).map((some) => ['EXISTS', ...some]),
  words(fc.constantFrom('INCR', 'DECR', 'STRLEN', 'TYPE', 'TTL', 'PTTL', 'PERSIST'), key),
  words(fc.constantFrom('INCRBY', 'DECRBY'), key, number),
  words(fc.constant('APPEND'), key, value),
  fc
    .tuple(
      fc.constantFrom('EXPIRE', 'PEXPIRE'),
      key,
      expiry,
      fc.array(expireOption, { maxLength: 2 }),
    )
    .map(([name, k, amount, options]) => [name, k, amount, ...options]),
);

export interface Step {
  readonly commands: readonly string[][];
  /** Milliseconds that pass before it. */
  readonly passMs: number;
  /** Whether expired keys are swept after it. */
  readonly sweep: boolean;
}

export const step: fc.Arbitrary<Step> = fc.record({
  commands: fc.array(command, { minLength: 1, maxLength: 12 }),
  passMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30_000 })),
  sweep: fc.boolean(),
});
