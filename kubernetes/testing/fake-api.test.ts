import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { pathOf, RESOURCES } from '../resources.ts';
import { FakeApi } from './fake-api.ts';

describe('the fake API server', () => {
  let api: FakeApi;
  beforeEach(async () => {
    api = await FakeApi.start();
  });
  afterEach(() => api[Symbol.asyncDispose]());

  async function call(method: string, path: string, body?: unknown, type = 'application/json') {
    const init = { method, headers: { 'Content-Type': type } };
    const sent = body === undefined ? init : { ...init, body: JSON.stringify(body) };
    const response = await fetch(api.url + path, sent);
    return { code: response.status, body: JSON.parse(await response.text()) };
  }

  const namespace = 'default';
  const sets = pathOf(RESOURCES.StatefulSet, { namespace });
  const set = pathOf(RESOURCES.StatefulSet, { namespace, name: 'demo' });
  const demo = { metadata: { name: 'demo', labels: { app: 'demo' } }, spec: { replicas: 3 } };

  it('creates, reads, lists by label and field, replaces and deletes', async () => {
    const created = await call('POST', sets, demo);
    expect(created.code).to.equal(201);
    expect(created.body.metadata).to.include({ namespace, generation: 1, resourceVersion: '1' });
    expect((await call('GET', set)).body).to.deep.equal(created.body);
    expect((await call('POST', sets, demo)).body).to.include({
      code: 409,
      reason: 'AlreadyExists',
    });
    const names = async (query: string) =>
      (await call('GET', `${sets}?${query}`)).body.items.map(
        (item: { metadata: { name: string } }) => item.metadata.name,
      );
    expect(await names('labelSelector=app=demo')).to.deep.equal(['demo']);
    expect(await names('labelSelector=app+in+(a,b)')).to.deep.equal([]);
    expect(await names('labelSelector=!app')).to.deep.equal([]);
    expect(await names('fieldSelector=metadata.name=demo')).to.deep.equal(['demo']);
    const scaled = { ...created.body, spec: { replicas: 4 } };
    const replaced = await call('PUT', set, scaled);
    expect(replaced.body.metadata).to.include({ generation: 2, resourceVersion: '2' });
    expect((await call('PUT', set, scaled)).body).to.include({ code: 409, reason: 'Conflict' });
    expect((await call('PUT', set, replaced.body)).body).to.deep.equal(replaced.body);
    expect((await call('DELETE', set)).code).to.equal(200);
    expect((await call('GET', set)).body).to.include({ code: 404, reason: 'NotFound' });
  });

  it('keeps status and the rest apart', async () => {
    await call('POST', sets, demo);
    const merge = 'application/merge-patch+json';
    const ignored = await call('PATCH', set, { status: { readyReplicas: 1 } }, merge);
    expect(ignored.body).not.to.have.property('status');
    const patch = { status: { readyReplicas: 1 }, spec: { replicas: 9 } };
    const patched = await call('PATCH', `${set}/status`, patch, merge);
    expect(patched.body.status).to.deep.equal({ readyReplicas: 1 });
    expect(patched.body.spec).to.deep.equal({ replicas: 3 });
    expect(patched.body.metadata.generation).to.equal(1);
  });

  it('deletes what an object owned, and waits for finalizers', async () => {
    const owner = (await call('POST', sets, demo)).body;
    const reference = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'demo' };
    const pods = pathOf(RESOURCES.Pod, { namespace });
    const pod = pathOf(RESOURCES.Pod, { namespace, name: 'demo-0' });
    await call('POST', pods, {
      metadata: {
        name: 'demo-0',
        finalizers: ['rdb.dev/x'],
        ownerReferences: [{ ...reference, uid: owner.metadata.uid }],
      },
    });
    await call('DELETE', set);
    expect((await call('GET', pod)).body.metadata.deletionTimestamp).to.be.a('string');
    const patch = { metadata: { finalizers: [] } };
    await call('PATCH', pod, patch, 'application/merge-patch+json');
    expect((await call('GET', pod)).code).to.equal(404);
  });

  it('answers as ordered, and remembers what it was asked', async () => {
    api.setFault(({ verb }) => (verb === 'create' ? { code: 429, retryAfterSeconds: 3 } : {}));
    expect((await call('POST', sets, demo)).code).to.equal(429);
    expect(api.writes.map(({ verb, resource }) => `${verb} ${resource.kind}`)).to.deep.equal([
      'create StatefulSet',
    ]);
    expect((await call('GET', set)).code).to.equal(404);
  });

  it('refuses Leases that Kubernetes refuses, and places that do not exist', async () => {
    const leases = pathOf(RESOURCES.Lease, { namespace });
    const lease = { metadata: { name: 'a' }, spec: { leaseDurationSeconds: 0 } };
    expect((await call('POST', leases, lease)).code).to.equal(422);
    expect((await call('GET', '/apis/none/v1/nothing')).code).to.equal(404);
  });
});
