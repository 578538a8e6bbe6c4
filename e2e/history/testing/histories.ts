/** Small histories, known to be good or bad: for our checker and for the judge. */
import type { Operation } from '../operation.ts';

export interface KnownHistory {
  readonly name: string;
  readonly good: boolean;
  readonly history: readonly Operation[];
}

type Short = Partial<Operation> & Pick<Operation, 'kind'>;

/** Operations with their times, [start, end], in milliseconds. */
function history(key: string, ...steps: readonly (readonly [number, number, Short])[]) {
  return steps.map(
    ([startMs, endMs, short], index): Operation => ({
      process: `p${index}`,
      shard: 0,
      key,
      outcome: 'ok',
      startNs: `${BigInt(startMs) * 1_000_000n}`,
      endNs: `${BigInt(endMs) * 1_000_000n}`,
      ...short,
    }),
  );
}

const write = (value: string, more: Partial<Operation> = {}): Short => ({
  kind: 'write',
  value,
  ...more,
});
const read = (result: string | null, more: Partial<Operation> = {}): Short => ({
  kind: 'read',
  result,
  ...more,
});
const increment = (result: string): Short => ({ kind: 'increment', result });
const set = (expected: string, value: string, result: boolean): Short => ({
  kind: 'compare-and-set',
  expected,
  value,
  result,
});
const unknown = { outcome: 'unknown', error: 'UNKNOWN' } as const;

export const knownHistories: readonly KnownHistory[] = [
  {
    name: 'one after the other',
    good: true,
    history: [
      ...history('a', [0, 1, read(null)], [2, 3, write('x')], [4, 5, read('x')]),
      ...history('c', [0, 1, increment('1')], [2, 3, increment('2')], [4, 5, read('2')]),
      ...history('b', [0, 1, write('x')], [2, 3, set('x', 'y', true)], [4, 5, read('y')]),
    ],
  },
  {
    name: 'at the same time, in either order',
    good: true,
    history: history('a', [0, 9, write('x')], [0, 9, write('y')], [10, 11, read('x')]),
  },
  {
    name: 'a write of unknown outcome that takes effect late',
    good: true,
    history: history(
      'a',
      [0, 1, write('x', unknown)],
      [2, 3, write('y')],
      [4, 5, read('y')],
      [6, 7, read('x')],
    ),
  },
  {
    name: 'a write of unknown outcome that never takes effect',
    good: true,
    history: history('a', [0, 1, write('x', unknown)], [2, 3, write('y')], [4, 5, read('y')]),
  },
  {
    name: 'an increment of unknown outcome that counts',
    good: true,
    history: history(
      'c',
      [0, 1, { kind: 'increment', ...unknown }],
      [2, 3, increment('2')],
      [4, 5, read('2')],
    ),
  },
  {
    name: 'a compare-and-set refused after another won',
    good: true,
    history: history(
      'a',
      [0, 1, write('x')],
      [2, 6, set('x', 'y', true)],
      [2, 6, set('x', 'z', false)],
      [7, 8, read('y')],
    ),
  },
  {
    name: 'a stale read',
    good: false,
    history: history('a', [0, 1, write('x')], [2, 3, write('y')], [4, 5, read('x')]),
  },
  {
    name: 'two reads that go back',
    good: false,
    history: history(
      'a',
      [0, 1, write('x')],
      [2, 20, write('y')],
      [3, 4, read('y')],
      [5, 6, read('x')],
    ),
  },
  {
    name: 'a lost write',
    good: false,
    history: history('a', [0, 1, write('x')], [2, 3, read(null, { final: true })]),
  },
  {
    name: 'a write of unknown outcome that takes effect twice',
    good: false,
    history: history(
      'a',
      [0, 1, write('x', unknown)],
      [2, 3, read('x')],
      [4, 5, write('y')],
      [6, 7, read('x')],
    ),
  },
  {
    name: 'a value out of thin air',
    good: false,
    history: history('a', [0, 1, write('x')], [2, 3, read('z')]),
  },
  {
    name: 'a write that failed certainly, and is there',
    good: false,
    history: history(
      'a',
      [0, 1, write('x', { outcome: 'failed', error: 'NOREPLICAS' })],
      [2, 3, read('x')],
    ),
  },
  {
    name: 'a double increment',
    good: false,
    history: history('c', [0, 1, increment('1')], [2, 3, increment('3')]),
  },
  {
    name: 'a lost increment',
    good: false,
    history: history('c', [0, 1, increment('1')], [2, 3, increment('1')]),
  },
  {
    name: 'two compare-and-sets that both won',
    good: false,
    history: history(
      'a',
      [0, 1, write('x')],
      [2, 3, set('x', 'y', true)],
      [4, 5, set('x', 'z', true)],
    ),
  },
  {
    name: 'a compare-and-set refused without reason',
    good: false,
    history: history('a', [0, 1, write('x')], [2, 3, set('x', 'y', false)]),
  },
];
