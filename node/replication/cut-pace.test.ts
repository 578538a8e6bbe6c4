import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { CutPace } from './cut-pace.ts';
import { limits } from './limits.ts';

describe('pace of cuts', () => {
  const slotMs = (limits.cutBytes / limits.cutBytesPerSecond) * 1_000;
  let scheduler: ManualScheduler;
  let taken: number[];
  let pace: CutPace;
  const ask = (bytes: number): void =>
    pace.ask(() => {
      taken.push(scheduler.nowMs());
      return bytes;
    });

  beforeEach(() => {
    scheduler = new ManualScheduler();
    taken = [];
    pace = new CutPace(scheduler);
  });

  it('takes those of many shards one after the other, also when nothing was taken for long', async () => {
    await scheduler.advance(10_000);
    const nowMs = scheduler.nowMs();
    for (let shard = 0; shard < 4; shard++) ask(limits.cutBytes);
    expect(taken).to.deep.equal([]);
    await scheduler.advance(10 * slotMs);
    expect(taken).to.have.length(4);
    taken.forEach((tookMs, slot) => {
      expect(tookMs).to.be.closeTo(nowMs + slot * slotMs, 0.001);
    });
  });

  it('takes small ones at once: only bytes count', async () => {
    for (let shard = 0; shard < 4; shard++) ask(0);
    await scheduler.advance(0);
    expect(taken).to.deep.equal([0, 0, 0, 0].map(() => scheduler.nowMs()));
  });
});
