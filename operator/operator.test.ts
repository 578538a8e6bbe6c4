import { EventEmitter, once } from 'node:events';
import { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { kubeconfigTextConnection } from '@r-db/kubernetes/kubeconfig.ts';
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { realScheduler } from '@r-db/kubernetes/scheduler.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { serveHttp } from './http.ts';
import { metricNames } from './metrics.ts';
import { Operator } from './operator.ts';
import { World } from './testing/world.ts';

describe('the operator as a process', () => {
  let world: World;
  let changes: EventEmitter;
  const operators: Operator[] = [];
  beforeEach(async () => {
    world = await World.start();
    changes = new EventEmitter();
    world.api.objects.onChange(({ resource }) => {
      if (resource.kind !== 'Event') setImmediate(() => changes.emit('change'));
    });
  });
  afterEach(async () => {
    for (const operator of operators.splice(0)) await operator[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  function start(identity: string, watchNamespaces: readonly string[] = []): Operator {
    const ignore = () => {};
    const operator = new Operator({
      client: (onRequest) =>
        new KubernetesClient({
          connection: kubeconfigTextConnection(world.api.kubeconfig()),
          onRequest,
        }),
      scheduler: realScheduler,
      log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      image: 'rdb.dev/r-db:test',
      namespace: 'default',
      identity,
      watchNamespaces,
      leaderElection: true,
      leaderElectionName: 'rdb-operator',
      nowMs: () => world.nowMs(),
      random: () => 0.5,
      randomSeed: () => '0123456789abcdef',
      ask: async () => undefined,
      onLost: (reason) => {
        throw new Error(`lost: ${reason}`);
      },
    });
    operators.push(operator);
    operator.start();
    return operator;
  }

  /** Lets Kubernetes and the nodes act at every change, until it holds. */
  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await once(changes, 'change');
      world.kubernetes.act();
    }
  }

  it('brings a cluster up from watches alone', async () => {
    start('a');
    world.create();
    await until(() => world.reasonOf('Ready') === 'Ready');
    expect(world.get(RESOURCES.Lease, 'rdb-operator').spec).to.include({ holderIdentity: 'a' });
    world.kubernetes.restartContainer('demo-1');
    await until(() => world.reasonOf('Degraded') === 'DataReset');
    await until(() => world.reasonOf('Ready') === 'Ready');
  });

  it('lets one work and the other wait, and tells which', async () => {
    const first = start('a');
    world.create();
    await until(() => world.reasonOf('Ready') === 'Ready');
    const second = start('b');
    const leading = async (operator: Operator) =>
      /^rdb_operator_leader (\d)$/m.exec(await operator.metrics.registry.metrics())?.[1];
    expect([await leading(first), await leading(second)]).to.deep.equal(['1', '0']);
  });

  it('shows every metric that it lists, and no series of a cluster that is gone', async () => {
    const operator = start('a');
    world.create();
    await until(() => world.reasonOf('Ready') === 'Ready');
    const server = await serveHttp({
      port: 0,
      metrics: async () => ({
        contentType: operator.metrics.registry.contentType,
        body: await operator.metrics.registry.metrics(),
      }),
      unready: () => operator.unready(),
    });
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return { code: response.status, text: await response.text() };
    };
    try {
      const { text } = await get('/metrics');
      for (const name of metricNames) expect(text).to.contain(`# TYPE ${name}`);
      expect(text).to.contain(
        'rdb_operator_nodes{namespace="default",cluster="demo",state="wanted"} 3',
      );
      expect((await get('/healthz')).code).to.equal(200);
      expect((await get('/readyz')).code).to.equal(200);
      expect((await get('/')).code).to.equal(404);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  });

  it('writes nothing while nothing changes but renewed node Leases', async () => {
    start('a');
    world.create();
    await until(() => world.reasonOf('Ready') === 'Ready');
    await settled();
    const before = writes();
    world.edit(RESOURCES.Lease, 'demo-node-0', (lease) => ({
      ...lease,
      metadata: {
        ...lease.metadata,
        annotations: { ...lease.metadata.annotations, 'rdb.dev/revision': '99' },
      },
      spec: { ...lease.spec, renewTime: new Date().toISOString().replace('Z', '000Z') },
    }));
    await settled();
    expect(writes()).to.equal(before);
  });

  /** Writes of the operator that are not its own Lease. */
  function writes(): number {
    return world.api.writes.filter(({ name }) => name !== 'rdb-operator').length;
  }

  /** One whole turn of coalescing has passed without a change. */
  async function settled(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      const version = world.api.objects.version;
      await new Promise<void>((resolve) => realScheduler.after(60, resolve));
      if (world.api.objects.version !== version) quiet = -1;
    }
  }
});
