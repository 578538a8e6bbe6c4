/** What clients of a shard are told, in the order in which a host tells it while its Lease names one and another. */
import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { MemoryLeases } from '@r-db/leases/memory.ts';
import { formatShardLease, shardLeaseName } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import type { NodeAddresses } from '../agent/types.ts';
import { ShardHost } from './host.ts';
import { Redirects } from './redirects.ts';
import { stillEngine } from './testing/still-engine.ts';
import { newContent, storeShardLease } from './testing/stored-lease.ts';

const cluster = 'demo';
const clusterId = '6d1f6c1e-0000-4000-8000-000000000001';
const self = { node: 'demo-0', incarnation: '000000000000000a' };
const other = { node: 'demo-1', incarnation: '000000000000000b' };

function at(port: number): NodeAddresses {
  const address = { host: 'h', port };
  return { resp: address, grpc: address, peer: address };
}

describe('redirects', () => {
  let told: string[];
  const engine = {
    setRedirect: (shard: number, address: string | undefined) => {
      told.push(`${shard} to ${address ?? '-'}`);
    },
  };
  beforeEach(() => {
    told = [];
  });

  it('lead to nodes whose addresses are known, once they are', () => {
    const redirects = new Redirects(engine);
    redirects.lead(3, 'demo-1');
    expect(told).to.deep.equal([]);
    redirects.setAddresses(new Map([['demo-1', at(1)]]));
    redirects.setAddresses(new Map([['demo-1', at(1)]]));
    redirects.lead(3, 'demo-1');
    expect(told).to.deep.equal(['3 to h:1']);
    expect(redirects.leader(3)).to.equal('demo-1');
    redirects.setAddresses(new Map([['demo-1', at(2)]]));
    redirects.lead(3, undefined);
    expect(told).to.deep.equal(['3 to h:1', '3 to h:2', '3 to -']);
  });

  it('stand before a node ends its leadership, and go only when it leads again', async () => {
    const scheduler = new ManualScheduler();
    const leases = new MemoryLeases({ scheduler });
    const content = newContent(['demo-0', 'demo-1']);
    storeShardLease(leases, { cluster, clusterId, shard: 0, content });
    /** Somebody else gives the leadership to one of the two. */
    const give = async (to: typeof self, epoch: number) => {
      const stored = leases.objects.get(shardLeaseName(cluster, 0));
      if (stored === undefined) throw new Error('no Lease');
      const given = { leader: to, inSync: [self, other], epoch, revision: epoch + 10 };
      await leases.client('operator').update(stored, formatShardLease({ ...content, ...given }, 0));
      await scheduler.advance(1);
    };
    const host = new ShardHost({
      ...{ cluster, clusterId, self: `${self.node}/${self.incarnation}`, ended: [], shards: 1 },
      totalLoss: 'Hold',
      replication: { minInSync: 1, promiseMs: 1_000 },
      network: undefined,
      shardTime: { nowMs: () => 0, heard: () => {}, adjust: () => {} },
      engine: stillEngine({ ...engine, publish: (_, { role }) => told.push(role) }),
      store: leases.client(self.node),
      scheduler,
      wallMs: () => scheduler.nowMs(),
      seed: 1,
      onResolved: () => {},
      onAbandoned: () => {},
      onReport: () => {},
    });
    host.setAddresses(new Map([['demo-1', at(1)]]));
    host.start();
    await scheduler.advance(1);
    expect(told.at(-1)).to.equal('leader');
    told = [];
    await give(other, 2);
    expect(told).to.deep.equal(['starting', '0 to h:1', 'elsewhere']);
    expect(host.otherLeader(0)).to.equal('demo-1');
    told = [];
    await give(self, 3);
    expect(told.slice(0, 2)).to.deep.equal(['leader', '0 to -']);
    expect(host.otherLeader(0)).to.equal(undefined);
    await host[Symbol.asyncDispose]();
  });
});
