import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { limits } from './limits.ts';
import { StoreReturn } from './store-return.ts';

describe('the return of the LeaseStore', () => {
  function fixture() {
    const scheduler = new ManualScheduler();
    const tried: number[] = [];
    return {
      scheduler,
      tried,
      storeReturn: new StoreReturn(scheduler, (shard) => tried.push(shard)),
    };
  }

  it('is looked for by one shard after the other', async () => {
    const { scheduler, tried, storeReturn } = fixture();
    for (const shard of [1, 2, 3]) storeReturn.unanswered(shard);
    storeReturn.unanswered(1);
    await scheduler.advance(limits.storeProbeMs);
    expect(tried).to.deep.equal([2]);
    await scheduler.advance(3 * limits.storeProbeMs);
    expect(tried).to.deep.equal([2, 3, 1, 2]);
  });

  it('lets all try that wait, once', async () => {
    const { scheduler, tried, storeReturn } = fixture();
    storeReturn.answered();
    storeReturn.unanswered(1);
    storeReturn.unanswered(2);
    storeReturn.answered();
    expect(tried).to.deep.equal([1, 2]);
    await scheduler.advance(10 * limits.storeProbeMs);
    expect(tried).to.deep.equal([1, 2]);
  });
});
