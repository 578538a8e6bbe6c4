import { expect } from 'chai';
import { describe, it } from 'mocha';
import { makeShardTime, ShardTime } from './shard-time.ts';

const day = 86_400_000;

function clocks() {
  const clock = { wall: 1_000_000, monotonic: 500 };
  const troubles: string[] = [];
  const options = { wallMs: () => clock.wall, monotonicMs: () => clock.monotonic };
  const time = new ShardTime({
    ...options,
    offset: makeShardTime(options),
    onTrouble: (message) => troubles.push(message),
  });
  return {
    clock,
    troubles,
    time,
    pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 100) {
        clock.wall += 100;
        clock.monotonic += 100;
        time.adjust();
      }
    },
  };
}

describe('the time by which keys expire', () => {
  it('is the wall clock where that runs well', () => {
    const { clock, time, pass, troubles } = clocks();
    pass(10_000);
    expect(time.nowMs()).to.equal(clock.wall);
    expect(troubles).to.deep.equal([]);
  });

  it('does not jump with the wall clock, and says that it does not', () => {
    for (const jump of [day, -day]) {
      const { clock, time, pass, troubles } = clocks();
      const before = time.nowMs();
      clock.wall += jump;
      expect(time.nowMs()).to.equal(before);
      pass(10_000);
      expect(time.nowMs() - before).to.be.within(9_900, 10_100);
      expect(troubles).to.have.length(1);
      expect(troubles[0]).to.contain('the wall clock is');
    }
  });

  it('follows a small correction slowly, and never runs backwards', () => {
    const { clock, time, pass } = clocks();
    clock.wall -= 500;
    let last = time.nowMs();
    for (let step = 0; step < 600; step++) {
      pass(100);
      expect(time.nowMs()).to.be.at.least(last);
      last = time.nowMs();
    }
    expect(time.nowMs()).to.equal(clock.wall);
  });

  it('is never behind a leader that was heard', () => {
    const { clock, time } = clocks();
    time.heard('demo-1', clock.wall + 700);
    expect(time.nowMs()).to.equal(clock.wall + 700);
    time.heard('demo-1', clock.wall - 700);
    expect(time.nowMs()).to.equal(clock.wall + 700);
  });

  it('does not believe a leader that is a day ahead', () => {
    const { clock, time, troubles } = clocks();
    time.heard('demo-1', clock.wall + day);
    expect(time.nowMs()).to.equal(clock.wall);
    expect(troubles[0]).to.contain('demo-1').and.contain('ahead');
  });
});
