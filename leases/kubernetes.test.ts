import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import type { Connection } from '@r-db/kubernetes/connection.ts';
import { kubeconfigTextConnection } from '@r-db/kubernetes/kubeconfig.ts';
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { FakeApi } from '@r-db/kubernetes/testing/fake-api.ts';
import type { Json } from '@r-db/kubernetes/testing/fake-objects.ts';
import { until } from '@r-db/kubernetes/testing/until.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { leaseStoreContract } from './contract.ts';
import { EventLog, newShardLease, SELECTOR } from './contract-tools.ts';
import { KubernetesLeases } from './kubernetes.ts';
import { leaseOf } from './raw.ts';
import { fakeApiFaults } from './testing/fake-api-faults.ts';

const namespace = 'default';

leaseStoreContract(
  'Kubernetes',
  async () => {
    const api = await FakeApi.start();
    const connections = [0, 1].map(() => kubeconfigTextConnection(api.kubeconfig()));
    const [under, other] = connections.map(
      (connection) =>
        new KubernetesLeases({
          client: new KubernetesClient({ connection }),
          namespace,
          retryFirstMs: 1,
        }),
    );
    if (under === undefined || other === undefined) throw new Error('two stores were made');
    return {
      store: under,
      other,
      putRaw: async (raw) => {
        const { name } = leaseOf(raw);
        const stored = api.objects.get(RESOURCES.Lease, namespace, name);
        if (stored === undefined) throw new Error(`${name} is missing`);
        return leaseOf(api.objects.replace(RESOURCES.Lease, stored, raw as Json));
      },
      faults: fakeApiFaults(api),
      async [Symbol.asyncDispose]() {
        for (const connection of connections) connection.close();
        await api[Symbol.asyncDispose]();
      },
    };
  },
  { faults: true },
);

describe('Leases in Kubernetes', () => {
  let api: FakeApi;
  let connection: Connection;
  let store: KubernetesLeases;
  let errors: string[];
  beforeEach(async () => {
    api = await FakeApi.start();
    connection = kubeconfigTextConnection(api.kubeconfig());
    errors = [];
    store = new KubernetesLeases({
      client: new KubernetesClient({ connection }),
      namespace,
      retryFirstMs: 1,
      onError: ({ message }) => errors.push(message),
    });
  });
  afterEach(async () => {
    connection.close();
    await api[Symbol.asyncDispose]();
  });

  it('reads from the quorum and writes the whole object on its version', async () => {
    const lease = await store.create(newShardLease('demo-shard-0'));
    await store.get('demo-shard-0');
    await store.update(lease, { spec: { holderIdentity: 'demo-0/0123456789abcdef' } });
    const [, get, put] = api.requests;
    expect(get?.query.has('resourceVersion')).to.equal(false);
    expect(put?.verb).to.equal('update');
    expect(put?.body['metadata']).to.deep.include({ resourceVersion: '1', uid: lease.uid });
    expect(put?.body['spec']).to.deep.include({ acquireTime: '2026-11-23T12:00:00.123456Z' });
  });

  it('says that nothing was sent where the API server is away', async () => {
    const lease = await store.create(newShardLease('demo-shard-0'));
    await api.setOutage('refusing');
    // Over a new connection: on one that is open already the end may not be known yet.
    const fresh = kubeconfigTextConnection(api.kubeconfig());
    const client = new KubernetesClient({ connection: fresh });
    const outcome = await new KubernetesLeases({ client, namespace }).update(lease, {});
    expect(outcome).to.include({ kind: 'refused', reason: 'Unreachable' });
  });

  it('leaves an update unresolved whose connection is cut', async () => {
    const lease = await store.create(newShardLease('demo-shard-0'));
    api.setFault(({ verb }) => (verb === 'update' ? { cut: 'after' } : undefined));
    expect((await store.update(lease, {})).kind).to.equal('unresolved');
    expect((await store.get('demo-shard-0'))?.resourceVersion).to.equal('2');
  });

  it('keeps a Lease invalid for Kubernetes out, and says why', async () => {
    const lease = await store.create(newShardLease('demo-shard-0'));
    const outcome = await store.update(lease, { spec: { leaseTransitions: -1 } });
    expect(outcome).to.include({ kind: 'refused', reason: 'Invalid' });
    expect(outcome.kind === 'refused' && outcome.message).to.contain('spec.leaseTransitions');
  });

  it('watches on through an outage, and tells its age', async () => {
    const events = new EventLog();
    await using watch = store.watch(SELECTOR, events.push);
    await watch.ready;
    await api.setOutage('refusing');
    await until(() => errors.some((message) => message.includes('no connection')));
    const age = watch.ageMs();
    await until(() => watch.ageMs() > age);
    await api.setOutage('none');
    const lease = await store.create(newShardLease('demo-shard-0'));
    await events.until((event) => event.lease.uid === lease.uid);
    expect(watch.ageMs()).to.be.below(5_000);
  });
});
