/** Least privilege, as the API server sees it: what each account may do, and what it may not. */
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { demo, nodePods, requireDemo } from '../support/demo.ts';
import { tryKubectl } from '../support/kubectl.ts';
import {
  operatorNamespace,
  operatorPods,
  operatorUser,
  serviceAccountUser,
} from '../support/operator.ts';

/** `verbs resource` in a namespace: `can` or not. */
type Question = readonly [verbs: string, resource: string, namespace: string];

const everywhere = '*';
const elsewhere = 'kube-system';

/** All that it may do to objects of the namespaces that it looks after. */
const operatorCan: readonly Question[] = [
  ['get list watch update', 'rdbclusters.rdb.dev', everywhere],
  ['update', 'rdbclusters.rdb.dev/status', everywhere],
  ['get list watch create update', 'leases.coordination.k8s.io', everywhere],
  ['get list watch create update', 'statefulsets.apps', everywhere],
  ['get list watch create update', 'configmaps', everywhere],
  ['get list watch create update', 'services', everywhere],
  ['get list watch create update', 'serviceaccounts', everywhere],
  ['get list watch create update', 'roles.rbac.authorization.k8s.io', everywhere],
  ['get list watch create update', 'rolebindings.rbac.authorization.k8s.io', everywhere],
  ['get list watch create update', 'poddisruptionbudgets.policy', everywhere],
  ['get list watch update delete', 'pods', everywhere],
  ['create', 'events.events.k8s.io', everywhere],
  ['get list watch', 'nodes', everywhere],
];
const operatorCannot: readonly Question[] = [
  ['get list watch create update patch delete', 'secrets', everywhere],
  ['create get', 'pods/exec', everywhere],
  ['create get', 'pods/attach', everywhere],
  ['create', 'pods/portforward', everywhere],
  ['get', 'pods/log', everywhere],
  ['create', 'serviceaccounts/token', everywhere],
  ['update patch delete', 'nodes', everywhere],
  ['get', 'nodes/proxy', everywhere],
  ['create update delete', 'clusterroles.rbac.authorization.k8s.io', everywhere],
  ['create update delete', 'clusterrolebindings.rbac.authorization.k8s.io', everywhere],
  ['escalate bind', 'roles.rbac.authorization.k8s.io', everywhere],
  ['escalate bind', 'clusterroles.rbac.authorization.k8s.io', everywhere],
  ['impersonate', 'users', everywhere],
  ['impersonate', 'serviceaccounts', everywhere],
  ['create update delete', 'customresourcedefinitions.apiextensions.k8s.io', everywhere],
  ['create delete patch deletecollection', 'rdbclusters.rdb.dev', everywhere],
  ['delete deletecollection', 'leases.coordination.k8s.io', everywhere],
  ['delete deletecollection', 'statefulsets.apps', everywhere],
  ['delete deletecollection', 'services', everywhere],
  ['delete deletecollection', 'configmaps', everywhere],
  ['create patch deletecollection', 'pods', everywhere],
  ['create update delete', 'deployments.apps', everywhere],
  ['create', 'namespaces', everywhere],
];
const nodeCan: readonly Question[] = [['list watch', 'leases.coordination.k8s.io', demo.namespace]];
const nodeCannot: readonly Question[] = [
  ['create delete patch', 'leases.coordination.k8s.io', demo.namespace],
  ['get update', 'leases.coordination.k8s.io/somebody-elses', demo.namespace],
  ['get list watch', 'leases.coordination.k8s.io', elsewhere],
  ['get list', 'secrets', demo.namespace],
  ['get list', 'configmaps', demo.namespace],
  ['get list delete', 'pods', demo.namespace],
  ['get list patch', 'rdbclusters.rdb.dev', demo.namespace],
  ['list', 'nodes', everywhere],
  ['create', 'pods/exec', demo.namespace],
];

describe('permissions', () => {
  let operator: string;
  let node: string;
  before(async () => {
    await requireDemo();
    operator = await operatorUser();
    const [pod] = await nodePods(demo.namespace, demo.name);
    if (pod === undefined) throw new Error('the cluster has no pod');
    node = serviceAccountUser(pod);
  });

  /** The verbs of the question that the user may do. */
  async function allowed(user: string, [verbs, resource, namespace]: Question): Promise<string> {
    const scope = namespace === everywhere ? ['--all-namespaces'] : ['-n', namespace];
    const answers = await Promise.all(
      verbs.split(' ').map(async (verb) => {
        const { stdout } = await tryKubectl([
          'auth',
          'can-i',
          verb,
          ...subject(resource),
          `--as=${user}`,
          ...scope,
        ]);
        return stdout.trim() === 'yes' ? [verb] : [];
      }),
    );
    return answers.flat().join(' ');
  }

  for (const question of operatorCan) {
    it(`let the operator ${question[0]} ${question[1]}`, async () => {
      expect(await allowed(operator, question)).to.equal(question[0]);
    });
  }
  for (const question of operatorCannot) {
    it(`never let the operator ${question[0]} ${question[1]}`, async () => {
      expect(await allowed(operator, question)).to.equal('');
    });
  }
  for (const question of nodeCan) {
    it(`let a node ${question[0]} ${question[1]}`, async () => {
      expect(await allowed(node, question)).to.equal(question[0]);
    });
  }
  for (const question of nodeCannot) {
    it(`never let a node ${question[0]} ${question[1]} in ${question[2]}`, async () => {
      expect(await allowed(node, question)).to.equal('');
    });
  }

  it('let a node read and update the Leases of its cluster, by name', async () => {
    for (const lease of [`${demo.name}-node-0`, `${demo.name}-shard-0`]) {
      const question: Question = [
        'get update',
        `leases.coordination.k8s.io/${lease}`,
        demo.namespace,
      ];
      expect(await allowed(node, question)).to.equal('get update');
    }
  });

  it('hold all pods to the restricted standard', async () => {
    const pods = [...(await operatorPods()), ...(await nodePods(demo.namespace, demo.name))];
    expect(pods.length).to.be.above(3);
    // Their namespaces admit no others.
    for (const namespace of [operatorNamespace, demo.namespace]) {
      const words = ['get', 'namespace', namespace, '-o', 'jsonpath={.metadata.labels}'];
      expect((await tryKubectl(words)).stdout).to.include(
        '"pod-security.kubernetes.io/enforce":"restricted"',
      );
    }
  });
});

/** kubectl takes `kind/name` for one object, and a subresource by a flag. */
function subject(resource: string): readonly string[] {
  const [kind = '', rest] = resource.split('/');
  if (rest === undefined) return [kind];
  return kind.startsWith('leases') ? [`${kind}/${rest}`] : [kind, `--subresource=${rest}`];
}
