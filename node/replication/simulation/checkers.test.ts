import { expect } from 'chai';
import { describe, it } from 'mocha';
import { epoch, generation, incarnation } from '../core/identity.ts';
import type { LogEntry } from '../core/position.ts';
import { ShardChecker } from './checkers.ts';
import { Violation } from './world.ts';

const [a, b] = [incarnation('demo-0/1'), incarnation('demo-1/2')];
const [first, second, third] = [generation(1), generation(2), generation(3)];

const entry = (ofEpoch: number, text: string): LogEntry => ({
  epoch: epoch(ofEpoch),
  sequence: 1,
  content: new TextEncoder().encode(text),
  checksum: 0,
});

describe('the checker of a shard', () => {
  it('notices two entries at one place', () => {
    const checker = new ShardChecker(0, first, 0);
    checker.committed(a, first, [entry(1, 'x')]);
    expect(() => checker.committed(b, first, [entry(2, 'y')])).to.throw(Violation, 'one-log');
  });

  it('does not mix the log of a lost generation with that of the next', () => {
    const checker = new ShardChecker(0, second, 0);
    // A replica that has not heard yet that its generation is lost applies what was under way to it.
    checker.committed(a, first, [entry(1, 'lost')]);
    checker.acknowledged(first, 7);
    checker.committed(b, second, [entry(4, 'x')]);
    checker.checkNothingLost(1);
    expect(() => checker.committed(a, second, [entry(1, 'lost')])).to.throw(Violation, 'one-log');
  });

  it('notices a generation that nobody began', () => {
    const checker = new ShardChecker(0, second, 0);
    expect(() => checker.committed(a, third, [entry(4, 'x')])).to.throw(Violation, 'not begun');
  });
});
