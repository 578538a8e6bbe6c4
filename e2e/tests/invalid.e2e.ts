/** Objects that can't work are refused at once, with a message that says what would be right. */
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { apply, deleteNamespace, kubectl, makeNamespace, tryKubectl } from '../support/kubectl.ts';
import { requireOperator } from '../support/operator.ts';

const namespace = 'e2e-invalid';

interface Row {
  readonly why: string;
  readonly name?: string;
  readonly spec: Readonly<Record<string, unknown>>;
  /** What the answer must hold. */
  readonly says: RegExp;
}

const memory = (limit: string, more: object = {}) => ({ limits: { memory: limit, ...more } });

const rows: readonly Row[] = [
  {
    why: 'a field that is not there',
    spec: { replicas: 3 },
    says: /unknown field "spec\.replicas"/,
  },
  {
    why: 'a typo two levels down',
    spec: { memory: { budgetPercentage: 50 } },
    says: /unknown field "spec\.memory\.budgetPercentage"/,
  },
  {
    why: 'a field twice removed from a list',
    spec: { scheduling: { tolerations: [{ keys: 'a' }] } },
    says: /unknown field "spec\.scheduling\.tolerations\[0\]\.keys"/,
  },
  {
    why: 'a word for a number',
    spec: { nodes: 'three' },
    says: /spec\.nodes.*must be of type integer/,
  },
  { why: 'no nodes', spec: { nodes: 0 }, says: /spec\.nodes.*greater than or equal to 1/ },
  { why: 'too many nodes', spec: { nodes: 1025 }, says: /spec\.nodes.*less than or equal to 1024/ },
  {
    why: 'too many shards',
    spec: { shards: 1025 },
    says: /spec\.shards.*less than or equal to 1024/,
  },
  {
    why: 'fewer shards than nodes',
    spec: { nodes: 5, shards: 4 },
    says: /shards must be at least nodes.*raise shards.*or lower nodes/,
  },
  {
    why: 'more copies than five',
    spec: { nodes: 9, replicationFactor: 6 },
    says: /spec\.replicationFactor.*less than or equal to 5/,
  },
  {
    why: 'no copies',
    spec: { replicationFactor: 0 },
    says: /spec\.replicationFactor.*greater than or equal to 1/,
  },
  {
    why: 'more copies than nodes',
    spec: { nodes: 2, shards: 4, replicationFactor: 3 },
    says: /nodes must be at least replicationFactor.*raise nodes or lower replicationFactor/,
  },
  {
    why: 'fewer nodes than the copies that are the default',
    spec: { nodes: 2, shards: 4 },
    says: /nodes must be at least replicationFactor.*raise nodes or lower replicationFactor/,
  },
  {
    why: 'more copies in sync than there are',
    spec: { replicationFactor: 2, minInSyncReplicas: 3 },
    says: /minInSyncReplicas must not be above replicationFactor.*lower it, or leave it out/,
  },
  {
    why: 'no copy in sync',
    spec: { minInSyncReplicas: 0 },
    says: /spec\.minInSyncReplicas.*greater than or equal to 1/,
  },
  {
    why: 'a limit without memory',
    spec: { resources: { limits: { cpu: '1' } } },
    says: /resources\.limits\.memory must be given, at least 512Mi/,
  },
  {
    why: 'too little memory',
    spec: { resources: memory('511Mi') },
    says: /resources\.limits\.memory must be at least 512Mi/,
  },
  {
    why: 'a limit that is no quantity',
    spec: { resources: memory('1 gigabyte') },
    says: /spec\.resources\.limits\.memory.*should match/,
  },
  {
    why: 'a request above its limit',
    spec: { resources: { ...memory('1Gi'), requests: { memory: '2Gi' } } },
    says: /resources\.requests\.memory must not be above resources\.limits\.memory/,
  },
  {
    why: 'a request for processors above its limit',
    spec: { resources: { ...memory('1Gi', { cpu: '1' }), requests: { cpu: '1500m' } } },
    says: /resources\.requests\.cpu must not be above resources\.limits\.cpu/,
  },
  { why: 'no threads', spec: { threads: 0 }, says: /spec\.threads.*greater than or equal to 1/ },
  {
    why: 'more threads than the memory has room for',
    spec: { threads: 16, resources: memory('512Mi') },
    says: /resources\.limits\.memory is too small for so many threads.*raise the limit or lower threads/,
  },
  {
    why: 'more than all of the memory',
    spec: { memory: { budgetPercent: 91 } },
    says: /spec\.memory\.budgetPercent.*less than or equal to 90/,
  },
  {
    why: 'an eviction policy of a later release',
    spec: { memory: { whenFull: 'EvictLRU' } },
    says: /spec\.memory\.whenFull: Unsupported value: "EvictLRU": supported values: "Refuse"/,
  },
  {
    why: 'a promise too short to keep',
    spec: { failover: { promiseMilliseconds: 10 } },
    says: /promiseMilliseconds must be at least 200: heartbeats.*looks like its death; raise it/,
  },
  {
    why: 'a promise longer than anybody waits',
    spec: { failover: { promiseMilliseconds: 120_000 } },
    says: /promiseMilliseconds must be at most 60000:.*for longer than a minute; lower it/,
  },
  {
    why: 'a field of a later release',
    spec: { failover: { replaceNodeAfterSeconds: 600 } },
    says: /unknown field "spec\.failover\.replaceNodeAfterSeconds"/,
  },
  {
    why: 'a third way to meet a total loss',
    spec: { failover: { totalLoss: 'Ignore' } },
    says: /totalLoss: Unsupported value: "Ignore": supported values: "Hold", "Reset"/,
  },
  {
    why: 'a type of Service that is none',
    spec: { service: { type: 'ExternalName' } },
    says: /spec\.service\.type: Unsupported value: "ExternalName"/,
  },
  {
    why: 'one address family and two',
    spec: { service: { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'] } },
    says: /SingleStack takes one of service\.ipFamilies/,
  },
  {
    why: "the operator's own annotations",
    spec: { service: { annotations: { 'rdb.dev/cluster': 'other' } } },
    says: /annotations rdb\.dev\/\* are the operator's own; use another prefix/,
  },
  {
    why: "the operator's own labels",
    spec: { podMetadata: { labels: { 'app.kubernetes.io/name': 'mine' } } },
    says: /labels app\.kubernetes\.io\/\* and rdb\.dev\/\* are the operator's own/,
  },
  {
    why: 'a label with blanks',
    spec: { podMetadata: { labels: { 'my label': 'x' } } },
    says: /the name of a label is made of/,
  },
  {
    why: 'root',
    spec: { podSecurityContext: { runAsUser: 0 } },
    says: /runAsUser must not be 0: nodes never run as root/,
  },
  {
    why: 'perhaps root',
    spec: { podSecurityContext: { runAsNonRoot: false } },
    says: /runAsNonRoot must not be false/,
  },
  { why: 'a name that is too long', name: 'a'.repeat(53), spec: {}, says: /at most 52 characters/ },
  {
    why: "a name that another cluster's Service has",
    name: 'demo-nodes',
    spec: {},
    says: /must not end in -nodes/,
  },
  { why: 'a name that no Service may have', name: '1st', spec: {}, says: /starts with a letter/ },
  { why: 'an image with a blank', spec: { image: 'rdb dev' }, says: /spec\.image.*should match/ },
];

/** Changes to a cluster that is there. */
const changes: readonly Row[] = [
  {
    why: 'another number of shards',
    spec: { shards: 32 },
    says: /shards can't be changed.*make a new cluster/,
  },
  { why: 'another number of nodes', spec: { nodes: 4 }, says: /nodes can't be changed yet/ },
  {
    why: 'the copies to more than there are nodes',
    spec: { replicationFactor: 4 },
    says: /nodes must be at least replicationFactor/,
  },
  {
    why: 'the copies in sync to more than there are copies',
    spec: { replicationFactor: 2, minInSyncReplicas: 3 },
    says: /minInSyncReplicas must not be above replicationFactor/,
  },
  { why: 'shards left out', spec: { shards: null }, says: /shards can't be changed/ },
];

describe('invalid objects', () => {
  before(async () => {
    await requireOperator();
    await makeNamespace(namespace);
    await apply(cluster('there', { paused: true, shards: 16 }));
  });
  after(() => deleteNamespace(namespace));

  for (const { why, name, spec, says } of rows) {
    it(`refuses ${why}`, async () => {
      const object = JSON.stringify(cluster(name ?? 'demo', spec));
      const words = ['create', '--dry-run=server', '--validate=strict', '-f', '-'];
      const { code, stderr } = await tryKubectl(words, object);
      expect(stderr.replace(/\s+/g, ' ')).to.match(says);
      expect(code).to.equal(1);
    });
  }

  for (const { why, spec, says } of changes) {
    it(`refuses to change ${why}`, async () => {
      const patch = JSON.stringify({ spec });
      const words = ['patch', 'rdb', 'there', '-n', namespace, '--type=merge', '-p', patch];
      const { code, stderr } = await tryKubectl([...words, '--dry-run=server']);
      expect(stderr.replace(/\s+/g, ' ')).to.match(says);
      expect(code).to.equal(1);
    });
  }

  it('takes the shortest one, and fills in what it leaves out', async () => {
    await apply(cluster('short', { paused: true }));
    const spec = await kubectl('get', 'rdb', 'short', '-n', namespace, '-o', 'jsonpath={.spec}');
    expect(JSON.parse(spec)).to.deep.include({ nodes: 3, shards: 64, replicationFactor: 3 });
  });

  it('refuses a node count by the scale subresource with the same message', async () => {
    const words = ['scale', 'rdb', 'there', '-n', namespace, '--replicas=5', '--dry-run=server'];
    const { code, stderr } = await tryKubectl(words);
    expect(stderr).to.match(/nodes can't be changed yet/);
    expect(code).to.equal(1);
  });
});

function cluster(name: string, spec: unknown): unknown {
  return {
    apiVersion: 'rdb.dev/v1alpha1',
    kind: 'RDbCluster',
    metadata: { name, namespace },
    spec,
  };
}
