/** The contract of a LeaseStore, held by the API server that everybody has. */
import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { kubeconfigConnection } from '@r-db/kubernetes/kubeconfig.ts';
import { type KubernetesObject, RESOURCES } from '@r-db/kubernetes/resources.ts';
import { leaseStoreContract } from '@r-db/leases/contract.ts';
import { KubernetesLeases } from '@r-db/leases/kubernetes.ts';
import { leaseOf } from '@r-db/leases/raw.ts';
import { after, before, describe } from 'mocha';
import { testEnvironment } from '../support/environment.ts';
import { deleteNamespace, getJson, makeNamespace } from '../support/kubectl.ts';

const namespace = 'e2e-leases';

describe('Leases of a real API server', () => {
  before(() => makeNamespace(namespace));
  after(() => deleteNamespace(namespace));

  leaseStoreContract(
    'Kubernetes',
    async () => {
      const { kubeconfig } = testEnvironment();
      const connections = [0, 1].map(() => kubeconfigConnection(kubeconfig));
      const clients = connections.map((connection) => new KubernetesClient({ connection }));
      const [store, other] = clients.map(
        (each) => new KubernetesLeases({ client: each, namespace }),
      );
      const [, client] = clients;
      if (store === undefined || other === undefined || client === undefined) {
        throw new Error('two stores were made');
      }
      const { metadata } = await getJson<KubernetesObject>('namespace', namespace);
      const owner = { apiVersion: 'v1', kind: 'Namespace', name: namespace };
      return {
        owner: { ...owner, uid: metadata?.uid ?? '' },
        store,
        other,
        putRaw: async (raw) =>
          leaseOf(await client.replace(RESOURCES.Lease, raw as KubernetesObject)),
        async [Symbol.asyncDispose]() {
          for (const connection of connections) connection.close();
        },
      };
    },
    // A real API server takes no orders; its faults are those of the outage tests.
    { faults: false, prefix: 'contract' },
  );
});
