import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type CounterOperation, counterFault } from './counters.ts';

const never = Number.POSITIVE_INFINITY;

/** `+3 10 20`: an increment that made it 3, from 10 to 20 ms; `=3 10 20`: a read; `? 10`: no answer came. */
function history(...lines: readonly string[]): CounterOperation[] {
  return lines.map((line) => {
    const [what = '', start, end] = line.split(' ');
    const startMs = Number(start);
    if (what === '?') return { kind: 'increment', value: 0, startMs, endMs: never };
    const kind = what.startsWith('+') ? 'increment' : 'read';
    return { kind, value: Number(what.slice(1)), startMs, endMs: Number(end) };
  });
}

describe('histories of a counter', () => {
  it('are right where each increment counts once, in the order of time', () => {
    expect(counterFault([])).to.equal(undefined);
    expect(counterFault(history('+1 0 10', '=1 11 12', '+2 13 20'))).to.equal(undefined);
    // Side by side, in any order.
    expect(counterFault(history('+2 0 10', '+1 5 12', '=2 11 13'))).to.equal(undefined);
    // One of unknown outcome may have happened.
    expect(counterFault(history('+1 0 10', '? 11', '+3 20 30'))).to.equal(undefined);
    expect(counterFault(history('+1 0 10', '? 11', '+2 20 30'))).to.equal(undefined);
  });

  it('are wrong where one counted twice', () => {
    expect(counterFault(history('+1 0 10', '+3 20 30'))).to.contain('came to 3');
    expect(counterFault(history('+1 0 10', '? 11', '=3 20 30'))).to.contain('came to 3');
  });

  it('are wrong where one was lost', () => {
    expect(counterFault(history('+1 0 10', '+1 20 30'))).to.contain('two increments');
    expect(counterFault(history('+1 0 10', '=0 20 30'))).to.contain('saw 0 after 1');
    expect(counterFault(history('+2 0 10', '? 1', '+1 20 30'))).to.contain('saw 1 after 2');
  });
});
