import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { limits } from './limits.ts';
import { SharedReads } from './shared-reads.ts';

describe('reads that shards share', () => {
  it('are one for all that ask within a moment', async () => {
    const scheduler = new ManualScheduler();
    const reads = new SharedReads<string>(scheduler);
    const sent: string[] = [];
    const read = (name: string) => async () => {
      sent.push(name);
      return name;
    };
    const answers = Promise.all(['a', 'b', 'c'].map((name) => reads.ask(read(name))));
    expect(sent, 'before all could ask').to.deep.equal([]);
    await scheduler.advance(limits.gatherReadsMs);
    expect(sent).to.deep.equal(['a']);
    expect(await answers).to.deep.equal([{ own: 'a' }, { others: 'a' }, { others: 'a' }]);
  });

  it('are never shared by who asks after one was sent', async () => {
    const scheduler = new ManualScheduler();
    const reads = new SharedReads<string>(scheduler);
    const slow = Promise.withResolvers<string>();
    const first = reads.ask(() => slow.promise);
    await scheduler.advance(limits.gatherReadsMs);
    const second = reads.ask(async () => 'later');
    await scheduler.advance(limits.gatherReadsMs);
    expect(await second).to.deep.equal({ own: 'later' });
    slow.resolve('at last');
    expect(await first).to.deep.equal({ own: 'at last' });
  });
});
