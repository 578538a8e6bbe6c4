import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { Election } from './election.ts';
import { limits } from './limits.ts';

describe('leader election', () => {
  let scheduler: ManualScheduler;
  let leases: MemoryLeases;
  let told: string[];
  beforeEach(() => {
    scheduler = new ManualScheduler();
    leases = new MemoryLeases({ scheduler });
    told = [];
  });

  function start(identity: string): Election {
    const election = new Election({
      store: leases.client(identity),
      name: 'rdb-operator',
      identity,
      scheduler,
      nowMs: () => 1_700_000_000_000 + scheduler.nowMs(),
      onElected: () => told.push(`${identity} elected`),
      onLost: () => told.push(`${identity} lost`),
    });
    election.start();
    return election;
  }

  it('elects one, and only one', async () => {
    start('a');
    await scheduler.advance(0);
    start('b');
    await scheduler.advance(60_000);
    expect(told).to.deep.equal(['a elected']);
    expect(leases.objects.get('rdb-operator')?.spec).to.include({ holderIdentity: 'a' });
  });

  it('elects another one when the first is silent for the length of the Lease', async () => {
    start('a');
    await scheduler.advance(0);
    start('b');
    await scheduler.advance(5000);
    leases.setOutage('refusing', 'a');
    await scheduler.advance(limits.electionLeaseMs - limits.electionRetryMs);
    expect(told).to.deep.equal(['a elected', 'a lost']);
    await scheduler.advance(3 * limits.electionRetryMs);
    expect(told).to.deep.equal(['a elected', 'a lost', 'b elected']);
  });

  it('stops leading before anybody else may begin', async () => {
    start('a');
    await scheduler.advance(0);
    start('b');
    await scheduler.advance(1000);
    leases.setOutage('refusing', 'a');
    await scheduler.advance(60_000);
    expect(told.indexOf('a lost')).to.be.below(told.indexOf('b elected'));
  });

  it('hands over at once when it is stopped', async () => {
    const first = start('a');
    await scheduler.advance(0);
    start('b');
    await scheduler.advance(4000);
    const stopped = first.stop();
    await scheduler.advance(limits.electionRetryMs);
    await stopped;
    expect(told).to.deep.equal(['a elected', 'b elected']);
    expect(first.isLeader).to.equal(false);
  });

  it('outlives an API server that is away for less than the deadline', async () => {
    start('a');
    await scheduler.advance(4000);
    leases.setOutage('refusing');
    await scheduler.advance(limits.electionRenewDeadlineMs - 2 * limits.electionRetryMs);
    leases.setOutage('none');
    await scheduler.advance(30_000);
    expect(told).to.deep.equal(['a elected']);
  });
});
