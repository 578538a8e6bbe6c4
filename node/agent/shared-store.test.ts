import { ManualScheduler, settle } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { leaseSelector } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { makeLeases } from '../dev/leases.ts';
import { type RequestMeasure, SharedStore } from './shared-store.ts';
import { CLUSTER_ID } from './testing/support.ts';

describe('shared store', () => {
  let scheduler: ManualScheduler;
  let server: MemoryLeases;
  let watches: number;
  let measures: RequestMeasure[];
  let store: SharedStore;
  const selector = leaseSelector('demo', 'Shard');

  beforeEach(async () => {
    scheduler = new ManualScheduler();
    server = new MemoryLeases({ scheduler });
    watches = 0;
    measures = [];
    const shape = { cluster: 'demo', clusterId: CLUSTER_ID, nodes: 1, shards: 3 };
    await makeLeases(server.client('operator'), shape);
    server.setFault(({ verb }) => {
      if (verb === 'watch') watches++;
      return undefined;
    });
    store = new SharedStore({
      store: server.client('demo-0'),
      scheduler,
      onRequest: (measure) => measures.push(measure),
    });
  });

  it('watches once for all, and tells newcomers what it has told', async () => {
    const told: string[][] = [[], []];
    const first = store.watch(selector, ({ lease }) => told[0]?.push(lease.name));
    await first.ready;
    await settle();
    const second = store.watch(selector, ({ lease }) => told[1]?.push(lease.name));
    await second.ready;
    const all = ['demo-shard-0', 'demo-shard-1', 'demo-shard-2'];
    expect(told).to.deep.equal([all, all]);
    expect(watches).to.equal(1);

    await first[Symbol.asyncDispose]();
    server.objects.delete('demo-shard-1', server.objects.get('demo-shard-1')?.uid ?? '');
    await settle();
    expect(told).to.deep.equal([all, [...all, 'demo-shard-1']]);
  });

  it('has told every Lease when it says that it is ready', async () => {
    let count = 0;
    const watch = store.watch(selector, () => count++);
    await watch.ready;
    expect(count).to.equal(3);
  });

  it('tells what was stored before whoever stored it hears of it', async () => {
    const told: string[] = [];
    const telling = new SharedStore({
      store: server.client('demo-1'),
      scheduler,
      onRequest: () => {},
      onStored: ({ name }) => told.push(name),
    });
    const lease = await telling.get('demo-shard-1');
    if (lease === undefined) throw new Error('unreachable');
    const first = telling.update(lease, {}).then(({ kind }) => told.push(kind));
    await first;
    await telling.update(lease, {}); // refused: the version is old
    expect(told).to.deep.equal(['demo-shard-1', 'won']);
  });

  it('measures requests by verb and what became of them', async () => {
    const lease = await store.get('demo-shard-0');
    if (lease === undefined) throw new Error('unreachable');
    await store.update(lease, {});
    await store.update(lease, {});
    server.setFault(({ verb }) => ({
      requestDelayMs: 250,
      ...(verb === 'update' ? { code: 429 } : {}),
    }));
    const late = Promise.all([store.update(lease, {}), store.list(selector)]);
    await scheduler.advance(250);
    await late;
    server.setOutage('refusing');
    await store.get('demo-shard-0').catch(() => undefined);
    expect(measures.map(({ verb, code }) => `${verb} ${code}`)).to.have.members([
      'get OK',
      'update OK',
      'update Unresolved',
      'update TooManyRequests',
      'list OK',
      measures.at(-1)?.verb === 'get' ? `get ${measures.at(-1)?.code}` : '',
    ]);
    expect(measures.find(({ verb }) => verb === 'list')?.seconds).to.equal(0.25);
    expect(measures.at(-1)?.code).to.not.equal('OK');
  });
});
