import { ManualScheduler, settle } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { limits } from './limits.ts';
import { backoffMs, WorkQueue } from './queue.ts';

describe('the work queue', () => {
  let scheduler: ManualScheduler;
  let queue: WorkQueue;
  beforeEach(() => {
    scheduler = new ManualScheduler();
    queue = new WorkQueue({ scheduler, random: () => 0.5 });
  });

  it('holds a key once, in order', async () => {
    for (const key of ['a', 'b', 'a']) queue.add(key);
    expect(queue.length).to.equal(2);
    expect([await queue.take(), await queue.take()]).to.deep.equal(['a', 'b']);
  });

  it('gives a key to one worker at a time, and again if it was added meanwhile', async () => {
    queue.add('a');
    expect(await queue.take()).to.equal('a');
    queue.add('a');
    const next = queue.take();
    let taken: string | undefined;
    void next.then((key) => {
      taken = key;
    });
    await settle();
    expect(taken).to.equal(undefined);
    queue.done('a');
    expect(await next).to.equal('a');
    queue.done('a');
    expect(queue.length).to.equal(0);
  });

  it('adds later; the sooner time counts', async () => {
    queue.addAfter('a', 1000);
    queue.addAfter('a', 100);
    queue.addAfter('a', 500);
    await scheduler.advance(99);
    expect(queue.length).to.equal(0);
    await scheduler.advance(1);
    expect(queue.length).to.equal(1);
    await scheduler.advance(10_000);
    expect(queue.length).to.equal(1);
  });

  it('waits longer after each failure, up to a bound, and anew after a success', () => {
    const waits = Array.from({ length: 12 }, () => queue.retry('a'));
    expect(waits.slice(0, 4)).to.deep.equal([250, 500, 1000, 2000]);
    expect(waits.at(-1)).to.equal(limits.backoffMaxMs);
    expect(queue.failures('a')).to.equal(12);
    queue.forget('a');
    expect(queue.retry('a', 'soon')).to.equal(50);
  });

  it('spreads waits by the jitter', () => {
    const [least, most] = [backoffMs(2, 0), backoffMs(2, 1)];
    expect(least).to.equal(1000 * (1 - limits.backoffJitter));
    expect(most).to.equal(1000 * (1 + limits.backoffJitter));
  });

  it('is bounded', () => {
    for (let index = 0; index < limits.queueKeysMax; index++) queue.add(`${index}`);
    expect(() => queue.add('one more')).to.throw('the work queue is full');
  });

  it('ends its workers when it is closed', async () => {
    const waiting = queue.take();
    queue.addAfter('a', 10);
    queue.close();
    expect(await waiting).to.equal(undefined);
    expect(await queue.take()).to.equal(undefined);
    expect(scheduler.waiting).to.equal(0);
  });
});
