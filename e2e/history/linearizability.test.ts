import {
  linearizabilityFault,
  type RegisterOperation,
} from '@r-db/node/replication/simulation/linearizability.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { check } from './linearizability.ts';
import { fromLines, type Operation, toLines } from './operation.ts';
import { knownHistories } from './testing/histories.ts';

describe('linearizability of a history', () => {
  for (const { name, good, history } of knownHistories) {
    it(`${good ? 'allows' : 'finds'} ${name}`, () => {
      const { verdict, faults } = check(fromLines(toLines(history)));
      expect(verdict, faults.join()).to.equal(good ? 'linearizable' : 'not linearizable');
      expect(faults.length).to.equal(good ? 0 : 1);
    });
  }

  it('says which operation nothing explains', () => {
    const bad = knownHistories.find(({ name }) => name === 'a stale read');
    expect(check(bad?.history ?? []).faults).to.deep.equal([
      'a: nothing explains "read" -> "x" of p2, begun at 4.0 ms, after 2 operations that lead to "y"',
    ]);
  });

  it('says when it ran out of steps, which is no pass', () => {
    const good = knownHistories[0]?.history ?? [];
    expect(check(good, 1).verdict).to.equal('not decided');
  });

  it('agrees with the checker of the simulation', () => {
    const time = fc.integer({ min: 0, max: 12 });
    const span = fc.tuple(time, time).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const write = (value: string) =>
      fc.tuple(span, fc.boolean()).map(([[startMs, endMs], known]) => ({
        ...{ kind: 'write' as const, value, startMs: startMs + 0.25 },
        endMs: known ? endMs + 0.5 : Number.POSITIVE_INFINITY,
      }));
    const read = fc
      .tuple(fc.constantFrom(undefined, 'a', 'b', 'c'), span)
      .map(([value, [startMs, endMs]]) => {
        return { kind: 'read' as const, value, startMs: startMs + 0.25, endMs: endMs + 0.5 };
      });
    const histories = fc.tuple(
      write('a'),
      write('b'),
      write('c'),
      fc.array(read, { maxLength: 5 }),
    );
    fc.assert(
      fc.property(histories, ([a, b, c, reads]) => {
        const history: RegisterOperation[] = [a, b, c, ...reads];
        const fault = linearizabilityFault(history);
        const { verdict } = check(history.map(toOperation));
        expect(verdict === 'linearizable').to.equal(fault === undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  it('decides a long history with many unknown outcomes quickly', () => {
    const history: Operation[] = [];
    for (let index = 0; index < 2_000; index++) {
      const times = { startNs: `${index * 1000}`, endNs: `${index * 1000 + 900}` };
      const common = { process: 'p', shard: 0, key: 'a', ...times };
      const value = `${index}`;
      if (index % 100 === 0) {
        history.push({ ...common, kind: 'write', value, outcome: 'unknown', error: 'UNKNOWN' });
      } else if (index % 2 === 0) {
        history.push({ ...common, kind: 'write', value, outcome: 'ok' });
      } else {
        const last = index % 100 === 1 ? (index === 1 ? null : `${index - 3}`) : `${index - 1}`;
        history.push({ ...common, kind: 'read', outcome: 'ok', result: last });
      }
    }
    expect(check(history, 100_000)).to.deep.include({ verdict: 'linearizable', operations: 2_000 });
  });
});

function toOperation({ kind, value, startMs, endMs }: RegisterOperation): Operation {
  const known = endMs !== Number.POSITIVE_INFINITY;
  const common = {
    process: 'p',
    shard: 0,
    key: 'a',
    startNs: `${startMs * 1e6}`,
    endNs: `${(known ? endMs : startMs) * 1e6}`,
  };
  if (kind === 'read') return { ...common, kind, outcome: 'ok', result: value ?? null };
  return { ...common, kind, value: value ?? '', outcome: known ? 'ok' : 'unknown' };
}
