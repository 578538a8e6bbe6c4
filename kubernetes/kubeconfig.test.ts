import { expect } from 'chai';
import { describe, it } from 'mocha';
import { kubeconfigTextConnection } from './kubeconfig.ts';
import { FakeApi } from './testing/fake-api.ts';

describe("a kubeconfig's connection", () => {
  it('needs a cluster', () => {
    expect(() => kubeconfigTextConnection('{}')).to.throw('names no cluster');
  });

  it('knows the namespace of its context', async () => {
    await using api = await FakeApi.start();
    const { namespace, server } = kubeconfigTextConnection(api.kubeconfig('mine'));
    expect(namespace).to.equal('mine');
    expect(server.href).to.equal(`${api.url}/`);
  });
});
