import { MessageChannel } from 'node:worker_threads';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { makeThreadLinks } from '../replication/thread-links.ts';
import type { ThreadStart } from './messages.ts';
import { DataThreads } from './threads.ts';

describe('data threads', () => {
  it('tell of one that dies', async () => {
    const [leases, orders] = [new MessageChannel(), new MessageChannel()];
    const link = { leases: leases.port2, orders: orders.port2 };
    const [links] = makeThreadLinks(1);
    // Without an arena there is nothing to attach to: the thread throws as it starts.
    const start = { thread: 0, threads: 1, link, links } as Partial<ThreadStart> as ThreadStart;
    const failure = await new Promise<Error>((resolve) => {
      new DataThreads({ starts: [start], onFailure: resolve });
    });
    expect(failure.message).to.match(/^data thread 0 died: /);
    leases.port1.close();
    orders.port1.close();
  });
});
