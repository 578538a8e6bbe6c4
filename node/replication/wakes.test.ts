import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { Wakes } from './wakes.ts';

describe('wakes of the shards of a node', () => {
  let scheduler: ManualScheduler;
  let woken: string[];
  let wakes: Wakes;

  beforeEach(() => {
    scheduler = new ManualScheduler();
    woken = [];
    wakes = new Wakes({
      shards: 3,
      scheduler,
      wake: (shard) => woken.push(`${shard} at ${scheduler.nowMs()}`),
    });
  });

  it('wakes each shard once, at its moment', async () => {
    wakes.at(0, 30);
    wakes.at(1, 10);
    wakes.at(2, 20);
    await scheduler.advance(100);
    expect(woken).to.deep.equal(['1 at 10', '2 at 20', '0 at 30']);
  });

  it('goes by what was said last', async () => {
    wakes.at(0, 10);
    wakes.at(0, 50);
    wakes.at(1, 40);
    wakes.at(1, undefined);
    await scheduler.advance(100);
    expect(woken).to.deep.equal(['0 at 50']);
  });

  it('takes another moment while it wakes', async () => {
    wakes = new Wakes({
      shards: 2,
      scheduler,
      wake: (shard) => {
        woken.push(`${shard} at ${scheduler.nowMs()}`);
        if (woken.length < 3) wakes.at(1 - shard, scheduler.nowMs() + 5);
      },
    });
    wakes.at(1, 10);
    await scheduler.advance(100);
    expect(woken).to.deep.equal(['1 at 10', '0 at 15', '1 at 20']);
  });

  it('wakes nobody once it is closed', async () => {
    wakes.at(0, 10);
    wakes[Symbol.dispose]();
    wakes.at(1, 20);
    await scheduler.advance(100);
    expect(woken).to.deep.equal([]);
  });
});
