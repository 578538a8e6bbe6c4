import { ManualScheduler, settle } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { type ContractFaults, leaseStoreContract } from './contract.ts';
import { EventLog, newShardLease, SELECTOR } from './contract-tools.ts';
import { type MemoryFault, MemoryLeases } from './memory.ts';
import { memoryFaults } from './testing/memory-faults.ts';

leaseStoreContract(
  'in memory',
  async () => {
    const scheduler = new ManualScheduler();
    const server = new MemoryLeases({ scheduler });
    const faults: ContractFaults = memoryFaults(server, {
      client: 'under-test',
      expire: () => scheduler.advance(100),
      release: () => scheduler.advance(60_000),
    });
    return {
      store: server.client('under-test'),
      other: server.client('other'),
      putRaw: async (raw) => server.objects.put(raw),
      faults,
      [Symbol.asyncDispose]: async () => {},
    };
  },
  { faults: true },
);

describe('Leases in memory', () => {
  let scheduler: ManualScheduler;
  let server: MemoryLeases;
  beforeEach(() => {
    scheduler = new ManualScheduler();
    server = new MemoryLeases({ scheduler });
  });

  it('lets no time pass by itself, and needs none where no delay is ordered', async () => {
    const store = server.client('demo-0');
    const lease = await store.create(newShardLease('demo-shard-0'));
    expect((await store.update(lease, {})).kind).to.equal('won');
    expect(scheduler.nowMs()).to.equal(0);
    expect(scheduler.waiting).to.equal(0);
  });

  it('delays requests and answers as ordered, for one client alone', async () => {
    const fault: MemoryFault = { requestDelayMs: 10, replyDelayMs: 20 };
    server.setFault(({ client }) => (client === 'slow' ? fault : undefined));
    await server.client('quick').create(newShardLease('demo-shard-0'));
    let read = false;
    const get = server.client('slow').get('demo-shard-0');
    void get.then(() => {
      read = true;
    });
    await scheduler.advance(29);
    expect(read).to.equal(false);
    await scheduler.advance(1);
    expect(read).to.equal(true);
  });

  it('holds requests of a frozen server: callers give up, the effects come with the thaw', async () => {
    const store = server.client('demo-0');
    const lease = await store.create(newShardLease('demo-shard-0'));
    server.setOutage('frozen');
    const update = store.update(lease, {}, { timeoutMs: 1_000 });
    await scheduler.advance(1_000);
    expect((await update).kind).to.equal('unresolved');
    expect(server.objects.get('demo-shard-0')).to.equal(lease);
    server.setOutage('none');
    expect(server.objects.get('demo-shard-0')?.annotations['rdb.dev/revision']).to.equal('2');
  });

  it('refuses connections in a refusing outage, without effect', async () => {
    const store = server.client('demo-0');
    const lease = await store.create(newShardLease('demo-shard-0'));
    server.setOutage('refusing', 'demo-0');
    const outcome = await store.update(lease, {});
    expect(outcome).to.include({ kind: 'refused', reason: 'Unreachable' });
    server.setOutage('none', 'demo-0');
    expect(await store.get('demo-shard-0')).to.deep.equal(lease);
  });

  it('tells the age of a watch from the start of an outage', async () => {
    await using watch = server.client('demo-0').watch(SELECTOR, () => {});
    await watch.ready;
    await scheduler.advance(500);
    expect(watch.ageMs()).to.equal(0);
    server.setOutage('frozen');
    await scheduler.advance(500);
    expect(watch.ageMs()).to.equal(500);
    server.setOutage('none');
    await settle();
    expect(watch.ageMs()).to.equal(0);
  });

  it('lists old states to a broken watch if so ordered, then what happened since', async () => {
    const store = server.client('demo-0');
    const lease = await store.create(newShardLease('demo-shard-0'));
    const events = new EventLog();
    await using watch = store.watch(SELECTOR, events.push);
    await watch.ready;
    const changed = await store.update(lease, {});
    if (changed.kind !== 'won') throw new Error(changed.message);
    await settle();
    server.breakWatches({ staleChanges: 1 });
    await settle();
    const versions = [lease, changed.lease, lease, changed.lease].map((one) => one.resourceVersion);
    expect(events.versionsOf('demo-shard-0')).to.deep.equal(versions);
  });

  it('keeps the order of late events', async () => {
    const store = server.client('demo-0');
    let delayMs = 50;
    server.setFault(({ verb }) => (verb === 'event' ? { replyDelayMs: delayMs } : undefined));
    const events = new EventLog();
    await using watch = store.watch(SELECTOR, events.push);
    await watch.ready;
    const first = await store.create(newShardLease('demo-shard-0'));
    delayMs = 0;
    const second = await store.create(newShardLease('demo-shard-1'));
    await scheduler.advance(49);
    expect(events.all).to.deep.equal([]);
    await scheduler.advance(1);
    expect(events.all.map(({ lease }) => lease.uid)).to.deep.equal([first.uid, second.uid]);
  });
});
