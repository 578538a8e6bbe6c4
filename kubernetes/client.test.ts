import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { KubernetesClient, type RequestDone } from './client.ts';
import type { Connection } from './connection.ts';
import { KubernetesError } from './errors.ts';
import { kubeconfigTextConnection } from './kubeconfig.ts';
import { type KubernetesObject, RESOURCES } from './resources.ts';
import { FakeApi, type FakeFault } from './testing/fake-api.ts';

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

const { ConfigMap } = RESOURCES;
const place = { namespace: 'default', name: 'demo' };

describe('KubernetesClient', () => {
  let api: FakeApi;
  let connection: Connection;
  let client: KubernetesClient;
  let done: RequestDone[];

  beforeEach(async () => {
    api = await FakeApi.start();
    connection = kubeconfigTextConnection(api.kubeconfig());
    done = [];
    client = new KubernetesClient({ connection, onRequest: (request) => done.push(request) });
  });
  afterEach(async () => {
    connection.close();
    await api[Symbol.asyncDispose]();
  });

  const make = (data = { a: '1' }) =>
    client.create<ConfigMap>(ConfigMap, { metadata: place, data });

  async function failure(promise: Promise<unknown>): Promise<KubernetesError> {
    try {
      await promise;
    } catch (error) {
      if (error instanceof KubernetesError) return error;
      throw error;
    }
    throw new Error('the request succeeded');
  }

  it('creates, reads, lists, replaces, patches and deletes', async () => {
    expect(await client.get(ConfigMap, place)).to.equal(undefined);
    const made = await make();
    expect(await client.get<ConfigMap>(ConfigMap, place)).to.deep.equal(made);
    const list = await client.list<ConfigMap>(ConfigMap, { namespace: 'default' });
    expect(list).to.deep.equal({ items: [made], resourceVersion: '1' });
    const replaced = await client.replace<ConfigMap>(ConfigMap, { ...made, data: { a: '2' } });
    expect(replaced.data).to.deep.equal({ a: '2' });
    const patched = await client.patch<ConfigMap>(ConfigMap, place, { data: { b: '3' } });
    expect(patched.data).to.deep.equal({ a: '2', b: '3' });
    await client.delete(ConfigMap, place, { uid: made.metadata?.uid });
    await client.delete(ConfigMap, place);
    expect((await client.list(ConfigMap)).items).to.deep.equal([]);
  });

  it('makes an object by server-side apply', async () => {
    const apply = { type: 'apply', fieldManager: 'test', force: true } as const;
    const object = { metadata: place, data: { a: '1' } };
    const applied = await client.patch<ConfigMap>(ConfigMap, place, object, apply);
    expect(applied.data).to.deep.equal({ a: '1' });
  });

  it('tells of every request: verb, code, duration', async () => {
    await make();
    await failure(make());
    await client.get(ConfigMap, { ...place, name: 'none' });
    await client.list(ConfigMap);
    expect(done.map(({ verb, code }) => `${verb} ${code}`)).to.deep.equal([
      'create 201',
      'create 409',
      'get 404',
      'list 200',
    ]);
    for (const { durationSeconds } of done) expect(durationSeconds).to.be.within(0, 10);
  });

  it('needs a namespace where the kind has one', async () => {
    expect(() => client.replace(ConfigMap, { metadata: { name: 'demo' } })).to.not.throw();
    const error = await client.replace(ConfigMap, { metadata: { name: 'demo' } }).catch(String);
    expect(error).to.contain('ConfigMap demo needs a namespace');
  });

  const answered: readonly (readonly [FakeFault, Partial<KubernetesError>])[] = [
    [{ code: 403 }, { effect: 'none', status: 403 }],
    [{ code: 409 }, { effect: 'none', status: 409 }],
    [{ code: 422 }, { effect: 'none', status: 422 }],
    [
      { code: 429, retryAfterSeconds: 2 },
      { effect: 'none', status: 429, retryAfterMs: 2_000 },
    ],
    [
      { code: 429, retryAfterSeconds: 1e9 },
      { effect: 'none', retryAfterMs: 30_000 },
    ],
    [{ code: 500 }, { effect: 'unknown', status: 500 }],
    [
      { code: 504, applied: true },
      { effect: 'unknown', status: 504 },
    ],
    [{ cut: 'before' }, { effect: 'unknown', reason: 'Broken' }],
    [{ cut: 'after' }, { effect: 'unknown', reason: 'Broken' }],
    [{ garbage: true }, { effect: 'unknown', reason: 'Broken' }],
  ];
  for (const [fault, expected] of answered) {
    it(`knows the effect of a request with ${JSON.stringify(fault)}: ${expected.effect}`, async () => {
      api.setFault(() => fault);
      expect(await failure(make())).to.deep.include(expected);
    });
  }

  it('knows that nothing was sent where nobody listens', async () => {
    await api.setOutage('refusing');
    expect(await failure(make())).to.include({ effect: 'none', reason: 'Unreachable' });
    expect(done[0]?.code).to.equal('Unreachable');
    await api.setOutage('none');
    await make();
  });

  it('gives up at the deadline: the effect is unknown once the request was sent', async () => {
    await api.setOutage('frozen');
    const object = { metadata: place };
    const error = await failure(client.create(ConfigMap, object, { timeoutMs: 300 }));
    expect(error).to.include({ effect: 'unknown', reason: 'Timeout', status: undefined });
    expect(error.message).to.contain(
      'POST /api/v1/namespaces/default/configmaps: no answer in time',
    );
  });

  it('sends nothing that is called off before', async () => {
    const error = await failure(client.list(ConfigMap, {}, { signal: AbortSignal.abort() }));
    expect(error).to.include({ effect: 'none', reason: 'Aborted' });
    expect(api.requests).to.deep.equal([]);
  });

  it('calls off what runs', async () => {
    await api.setOutage('frozen');
    const stop = new AbortController();
    const creating = client.create(ConfigMap, { metadata: place }, { signal: stop.signal });
    const rejected = failure(creating);
    while (api.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await rejected).to.include({ effect: 'unknown', reason: 'Aborted' });
  });

  it('uses one connection for requests in turn', async () => {
    await make();
    for (let i = 0; i < 5; i++) await client.get(ConfigMap, place);
    expect(api.connections).to.equal(1);
  });
});
