import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { type MemoryFault, MemoryLeases } from '@r-db/leases/memory.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { incarnation, nextEpoch } from './core/identity.ts';
import type { Effect } from './core/io.ts';
import type { CurrentLease } from './core/lease.ts';
import { LeaseRequests } from './lease-requests.ts';
import { RequestGate } from './request-gate.ts';
import { StoreProbe } from './store-probe.ts';
import { newContent, storeShardLease } from './testing/stored-lease.ts';

const identity = { cluster: 'demo', clusterId: 'uid-of-demo' };
const self = incarnation('demo-0/00000000000000aa');
const name = 'demo-shard-3';

describe('requests of a shard to the store', () => {
  let scheduler: ManualScheduler;
  let memory: MemoryLeases;
  let probe: StoreProbe;
  let requests: LeaseRequests;
  let sent: string[];
  let fault: MemoryFault | undefined;

  beforeEach(() => {
    scheduler = new ManualScheduler();
    memory = new MemoryLeases({ scheduler });
    storeShardLease(memory, { ...identity, shard: 3, content: newContent(['demo-0']) });
    sent = [];
    fault = undefined;
    memory.setFault(({ verb }) => {
      sent.push(verb);
      return fault;
    });
    const store = memory.client('demo-0');
    const read = () => store.get(name);
    probe = new StoreProbe({ scheduler, read, onReturn: () => sent.push('return') });
    requests = new LeaseRequests({
      ...{ shard: 3, identity, store, scheduler, storeProbe: probe },
      gate: new RequestGate({ first: 2, most: 4, stepMs: 50, scheduler }),
      wallMs: () => 0,
      leaderHeardMs: () => undefined,
    });
  });

  const base = (): CurrentLease => {
    const lease = memory.objects.get(name);
    const input = lease && requests.observed({ kind: 'put', lease });
    if (input?.kind !== 'observed') throw new Error('unreadable');
    return input.lease as CurrentLease;
  };
  const take = (): Extract<Effect, { kind: 'write-lease' }> => {
    const lease = base();
    const { generation } = lease;
    const epoch = nextEpoch(lease.epoch);
    const edit = { cause: 'Free', epoch, generation, leader: self, inSync: [self] } as const;
    return { kind: 'write-lease', request: 2, base: lease, edit };
  };
  const readIt = () => requests.read({ kind: 'read-lease', request: 1 });

  it('are not sent while the store is away: writes have no effect, reads wait', async () => {
    memory.setOutage('refusing');
    expect(await readIt()).to.include({ kind: 'read-failed', forbidden: false });
    expect(probe.away).to.equal(true);
    memory.setOutage('none');
    sent = [];
    const reading = readIt();
    expect(await requests.write(take())).to.include({ kind: 'refused', reason: 'Unreachable' });
    expect(sent).to.deep.equal([]);
    await scheduler.advance(10);
    expect((await reading).kind).to.equal('read');
    expect(sent, 'one that shows that it is back, then its own').to.deep.equal([
      'get',
      'return',
      'get',
    ]);
    expect((await requests.write(take())).kind).to.equal('won');
  });

  it('tell that it is away by its silence, and by nothing that it says', async () => {
    for (const code of [403, 409, 422, 429] as const) {
      fault = { code };
      await requests.write(take());
      await readIt();
      expect(probe.away, `answered ${code}`).to.equal(false);
    }
    fault = { code: 500 };
    expect((await requests.write(take())).kind).to.equal('unresolved');
    expect(probe.away, 'answered 500').to.equal(true);
  });

  it('share what any read tells, if any will do', async () => {
    const answers = Promise.all(
      [1, 2].map((request) => requests.read({ kind: 'read-lease', request, orAny: true })),
    );
    await scheduler.advance(10);
    expect(sent, 'and one that opens a connection').to.deep.equal(['get', 'get']);
    const reached = [1, 2].map((request) => ({ kind: 'store-reached', request }));
    expect(await answers).to.deep.equal(reached);
    fault = { code: 403 };
    const forbidden = requests.read({ kind: 'read-lease', request: 3, orAny: true });
    await scheduler.advance(10);
    expect(await forbidden).to.include({ kind: 'read-failed', request: 3, forbidden: true });
  });
});
