/** The clusters on which faults are tried: made once, shared by the tests, each whole again after its own. */
import { makeCluster, nodePods } from './demo.ts';
import { testEnvironment } from './environment.ts';
import { deleteNamespace, makeNamespace } from './kubectl.ts';
import { requireOperator } from './operator.ts';
import type { FaultCluster } from './scene.ts';

const namespace = 'e2e-histories';

/** Three copies on three nodes: every node has a copy of every shard. */
const three: FaultCluster = {
  ...{ namespace, name: 'three', nodes: 3, shards: 12, replicationFactor: 3 },
};
/** Five copies on five nodes: two may be lost at once. */
const five: FaultCluster = {
  ...{ namespace, name: 'five', nodes: 5, shards: 10, replicationFactor: 5 },
};

/**
 * What a shard that lost a replica may take in CI, where clients, three or five nodes and a whole Kubernetes share
 * two processors: several times what is measured, which docs/guarantees.md has. Safety has no such slack.
 */
export const againWithinMs = 8 * testEnvironment().promiseMs;

/**
 * Nodes hand over what they lead before they go, as long as somebody is there to take it. If they are not gone when
 * Kubernetes looks, it looks again after half of their period of grace, 151 s.
 */
const emptyMs = 200_000;

/** Five nodes on two processors, which have other clusters, too: not what is measured here. */
const madeSeconds = 90;

let emptied: Promise<void> | undefined;
const made = new Map<string, Promise<FaultCluster>>();

export function requireThree(): Promise<FaultCluster> {
  return required(three);
}

export function requireFive(): Promise<FaultCluster> {
  return required(five);
}

/** Makes a cluster of the same namespace; whoever makes it deletes it. */
export async function makeFaultCluster(cluster: FaultCluster, spec: object = {}): Promise<void> {
  await requireOperator();
  emptied ??= empty();
  await emptied;
  const { name, nodes, shards, replicationFactor } = cluster;
  const failover = { promiseMilliseconds: testEnvironment().promiseMs };
  await makeCluster(
    namespace,
    name,
    { nodes, shards, replicationFactor, failover, ...spec },
    madeSeconds,
  );
}

function required(cluster: FaultCluster): Promise<FaultCluster> {
  const { name } = cluster;
  const making = made.get(name) ?? make(cluster);
  made.set(name, making);
  return making;
}

async function make(cluster: FaultCluster): Promise<FaultCluster> {
  await makeFaultCluster(cluster);
  const hosts = (await nodePods(namespace, cluster.name)).map(({ spec }) => spec.nodeName);
  if (new Set(hosts).size < 3) throw new Error(`the pods are on ${hosts.join(', ')} only`);
  return cluster;
}

/** Of what an earlier run left, if the cluster was kept. */
async function empty(): Promise<void> {
  await deleteNamespace(namespace, emptyMs);
  await makeNamespace(namespace);
}
