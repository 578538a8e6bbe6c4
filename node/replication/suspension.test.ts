import { expect } from 'chai';
import { describe, it } from 'mocha';
import { limits } from './limits.ts';
import { SuspensionWatch } from './suspension.ts';

describe('the suspension of the host', () => {
  function fixture() {
    const clock = { monotonic: 1_000, wall: 1_700_000_000_000, betweenMs: 0 };
    const watch = new SuspensionWatch({
      monotonicMs: () => clock.monotonic,
      wallMs: () => {
        clock.monotonic += clock.betweenMs;
        clock.wall += clock.betweenMs;
        return clock.wall;
      },
    });
    const pass = (ms: number) => {
      clock.monotonic += ms;
      clock.wall += ms;
    };
    return { clock, watch, pass };
  }

  it('is noticed once, when the wall clock went on alone', () => {
    const { clock, watch, pass } = fixture();
    pass(200);
    expect(watch.look()).to.equal(false);
    clock.wall += limits.suspendedMs + 1;
    expect(watch.look()).to.equal(true);
    pass(200);
    expect(watch.look()).to.equal(false);
  });

  it('is not seen in clocks that drift, nor where the process waited between two looks', () => {
    const { clock, watch, pass } = fixture();
    clock.wall += limits.suspendedMs / 2;
    expect(watch.look()).to.equal(false);
    pass(60_000);
    expect(watch.look()).to.equal(false);
    clock.wall -= 10_000;
    expect(watch.look()).to.equal(false);
  });

  it('is not taken from two clocks that were read apart, but noticed the next time', () => {
    const { clock, watch, pass } = fixture();
    clock.betweenMs = limits.suspendedMs * 2;
    expect(watch.look()).to.equal(false);
    clock.wall += limits.suspendedMs * 2;
    clock.betweenMs = 0;
    pass(10);
    expect(watch.look()).to.equal(true);
  });
});
