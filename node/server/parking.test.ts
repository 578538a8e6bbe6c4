import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { Engine } from '../engine/types.ts';
import { serverLimits } from './limits.ts';
import { type Parked, Parking, patience } from './parking.ts';
import { makeStatistics, ThreadStatistics } from './statistics.ts';

/** Time and shards that the test moves. */
function fixture() {
  let nowMs = 0;
  const waits = new Map<number, () => void>();
  const statistics = new ThreadStatistics(makeStatistics(1), 0);
  const parking = new Parking({
    engine: {
      waitForShard: (shard: number) =>
        new Promise<void>((resolve) => {
          waits.set(shard, resolve);
        }),
    } as Pick<Engine, 'waitForShard'> as Engine,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    statistics,
  });
  return {
    parking,
    statistics,
    pass: (ms: number) => {
      nowMs += ms;
    },
    change: async (shard: number) => {
      waits.get(shard)?.();
      await new Promise(setImmediate);
      await new Promise(setImmediate);
    },
  };
}

class Waiter implements Parked {
  parkedUntilMs = 1000;
  woken = 0;
  gaveUp = 0;
  wake(): void {
    this.woken++;
  }
  giveUp(): void {
    this.gaveUp++;
  }
}

describe('parking', () => {
  it('wakes those who wait for the shard that changed, and no others', async () => {
    const { parking, change, statistics } = fixture();
    const [first, second] = [new Waiter(), new Waiter()];
    expect(parking.park(first, 3)).to.equal(true);
    expect(parking.park(second, 4)).to.equal(true);
    expect(statistics.get('parked')).to.equal(2);
    await change(3);
    expect(first.woken).to.equal(1);
    expect(second.woken).to.equal(0);
    expect(statistics.get('parked')).to.equal(1);
  });

  it('lets one wait again until its time is up', async () => {
    const { parking, change, pass, statistics } = fixture();
    const waiter = new Waiter();
    waiter.wake = () => {
      waiter.woken++;
      parking.park(waiter, 3);
    };
    parking.park(waiter, 3);
    pass(999);
    await change(3);
    expect([waiter.woken, waiter.gaveUp]).to.deep.equal([1, 0]);
    pass(1);
    await change(3);
    expect([waiter.woken, waiter.gaveUp]).to.deep.equal([1, 1]);
    expect(statistics.get('parkTimeouts')).to.equal(1);
  });

  it('forgets who is gone, and takes no more than its bound', async () => {
    const { parking, change, statistics } = fixture();
    const waiters = Array.from({ length: serverLimits.parkedMax }, () => new Waiter());
    expect(waiters.every((waiter) => parking.park(waiter, 3))).to.equal(true);
    const extra = new Waiter();
    expect(parking.park(extra, 3)).to.equal(false);
    const [gone] = waiters;
    if (gone !== undefined) parking.remove(gone);
    expect(parking.park(extra, 3)).to.equal(true);
    await change(3);
    expect(gone?.woken).to.equal(0);
    expect(extra.woken).to.equal(1);
    expect(statistics.get('parked')).to.equal(0);
  });

  it('wakes who is told when a batch is over, once a turn, and watches nothing for them', async () => {
    const { parking, statistics } = fixture();
    const [first, second] = [new Waiter(), new Waiter()];
    parking.park(first, 3, true);
    parking.park(second, 4, true);
    parking.changed(3);
    expect(first.woken).to.equal(0);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect([first.woken, second.woken]).to.deep.equal([1, 0]);
    expect(statistics.get('parked')).to.equal(1);
    parking.remove(second);
    parking.changed(4);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(second.woken).to.equal(0);
    expect(statistics.get('parked')).to.equal(0);
  });

  it('gives up who waits in vain to be told', async () => {
    const { parking, pass, statistics } = fixture();
    const who = new Waiter();
    who.parkedUntilMs = 1;
    const gaveUp = new Promise<void>((resolve) => {
      who.giveUp = () => resolve();
    });
    parking.park(who, 3, true);
    pass(1);
    await gaveUp;
    expect(statistics.get('parked')).to.equal(0);
    expect(statistics.get('parkTimeouts')).to.equal(1);
  });

  it('is more patient while leadership changes hands', () => {
    const leader = { role: 'leader', epoch: 1, generation: 1, writable: false } as const;
    const usual = patience({ ...leader, readUntilMs: 1_000 });
    expect(patience({ role: 'starting' })).to.be.above(usual);
    expect(patience({ ...leader, readUntilMs: 0 })).to.be.above(usual);
    expect(patience({ role: 'elsewhere' })).to.equal(usual);
  });
});
