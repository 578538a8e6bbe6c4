import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { KubernetesClient } from './client.ts';
import type { Connection } from './connection.ts';
import { Informer, type InformerEvent } from './informer.ts';
import { kubeconfigTextConnection } from './kubeconfig.ts';
import { WATCH_SILENCE_MS_MAX } from './limits.ts';
import { type KubernetesObject, RESOURCES } from './resources.ts';
import type { Scheduler } from './scheduler.ts';
import { FakeApi, type FakeRequest } from './testing/fake-api.ts';
import { ManualScheduler } from './testing/manual-scheduler.ts';
import { until } from './testing/until.ts';

const { Pod } = RESOURCES;
const selection = { namespace: 'default', labelSelector: 'app=demo' };

describe('Informer', () => {
  let api: FakeApi;
  let connection: Connection;
  let told: string[];
  let errors: string[];
  beforeEach(async () => {
    api = await FakeApi.start();
    connection = kubeconfigTextConnection(api.kubeconfig());
    told = [];
    errors = [];
  });
  afterEach(async () => {
    connection.close();
    await api[Symbol.asyncDispose]();
  });

  function informer(scheduler?: Scheduler): Informer<KubernetesObject> {
    const options = scheduler === undefined ? { connection } : { connection, scheduler };
    return new Informer<KubernetesObject>({
      client: new KubernetesClient(options),
      resource: Pod,
      selection,
      onEvent: (event) => told.push(textOf(event)),
      onError: (error) => errors.push(error.message),
      random: () => 0.5,
      retryFirstMs: 1,
      retryLastMs: 4,
    });
  }

  const create = (name: string, app = 'demo') =>
    api.objects.create(Pod, 'default', { metadata: { name, labels: { app } } });
  const remove = (name: string) => {
    const object = api.objects.get(Pod, 'default', name);
    if (object !== undefined) api.objects.delete(Pod, object);
  };
  const change = (name: string) => {
    const object = api.objects.get(Pod, 'default', name);
    if (object !== undefined) api.objects.patch(Pod, object, { spec: { nodeName: 'node-1' } });
  };
  const of = (verb: string): FakeRequest[] => api.requests.filter((one) => one.verb === verb);
  const tells = (text: string) => until(() => told.includes(text));

  it('tells what exists, then what changes', async () => {
    create('a');
    create('other', 'other');
    await using pods = informer();
    await pods.ready;
    expect(told).to.deep.equal(['put a 1']);
    await until(() => api.watches === 1);
    create('b');
    change('b');
    remove('a');
    await tells('deleted a 1');
    expect(told).to.deep.equal(['put a 1', 'put b 3', 'put b 3', 'deleted a 1']);
    expect(pods.list().map((pod) => pod.metadata?.name)).to.deep.equal(['b']);
    expect(pods.get('default', 'b')?.metadata?.uid).to.match(/3$/);
  });

  for (const how of ['cut', 'end'] as const) {
    it(`goes on from the last version when a watch is ${how}, without a new list`, async () => {
      await using pods = informer();
      await pods.ready;
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        await until(() => api.watches === 1);
        api.breakWatches(how);
        create(name);
        await until(() => told.some((text) => text.startsWith(`put ${name}`)));
      }
      expect(of('list').length).to.equal(1);
      expect(told.length).to.equal(5);
    });
  }

  it('goes on from a bookmark', async () => {
    await using pods = informer();
    await pods.ready;
    await until(() => api.watches === 1);
    create('other', 'other');
    api.bookmark();
    // A bookmark tells nothing; the event after it shows that it has arrived.
    api.breakWatches('end');
    await until(() => of('watch').length === 2);
    expect(of('watch').map(({ query }) => query.get('resourceVersion'))).to.deep.equal(['0', '1']);
  });

  it('lists anew where the version is forgotten: tells deletions and new UIDs missed', async () => {
    create('gone');
    create('replaced');
    let refuse = true;
    api.setFault(({ verb }) => (verb === 'watch' && refuse ? { code: 503 } : undefined));
    await using pods = informer();
    await pods.ready;
    remove('gone');
    remove('replaced');
    create('replaced');
    create('new');
    api.objects.compact();
    refuse = false;
    await tells('put new 4');
    expect(told.slice(2).sort()).to.deep.equal([
      'deleted gone 1',
      'deleted replaced 2',
      'put new 4',
      'put replaced 3',
    ]);
    expect(errors.at(-1)).to.contain('410 too old resource version');
  });

  it('lists anew after a line that it cannot read', async () => {
    await using pods = informer();
    await pods.ready;
    await until(() => api.watches === 1);
    api.breakWatches('garbage');
    await until(() => of('list').length === 2);
    expect(errors).to.deep.equal(['watch of pods: a line that is no JSON: {"type":"MODI']);
  });

  it('outlives an API server that refuses, forbids and fails, and says so', async () => {
    const codes = [403, 500, 429, 503];
    api.setFault(() => {
      const code = codes.shift();
      return code === undefined ? undefined : { code };
    });
    create('a');
    await using pods = informer();
    await pods.ready;
    expect(told).to.deep.equal(['put a 1']);
    expect(errors.map((text) => /answered \d+/.exec(text)?.[0])).to.deep.equal([
      'answered 403',
      'answered 500',
      'answered 429',
      'answered 503',
    ]);
    await api.setOutage('refusing');
    await until(() => errors.some((text) => text.includes('no connection')));
    create('b');
    await api.setOutage('none');
    await tells('put b 2');
  });

  it('breaks a watch in which nothing is heard, and knows its age', async () => {
    const scheduler = new ManualScheduler();
    await using pods = informer(scheduler);
    await pods.ready;
    await until(() => api.watches === 1 && scheduler.waiting === 1);
    await scheduler.advance(WATCH_SILENCE_MS_MAX - 1);
    expect(pods.ageMs()).to.equal(WATCH_SILENCE_MS_MAX - 1);
    await scheduler.advance(1);
    await until(() => errors.length === 1);
    expect(errors[0]).to.contain('nothing heard for 150000 ms');
    await scheduler.untilWaiting();
    await scheduler.advance(4);
    await until(() => of('watch').length === 2 && api.watches === 1);
    await until(() => pods.ageMs() === 0);
    expect(of('list').length).to.equal(1);
  });

  it('pauses longer with each failure, up to the last', async () => {
    const scheduler = new ManualScheduler();
    await api.setOutage('refusing');
    await using _pods = informer(scheduler);
    const pauses: number[] = [];
    for (let failure = 1; failure <= 5; failure++) {
      await until(() => errors.length === failure && scheduler.waiting === 1);
      const pause = scheduler.nextInMs ?? 0;
      pauses.push(pause);
      await scheduler.advance(pause);
    }
    expect(pauses).to.deep.equal([0.75, 1.5, 3, 3, 3]);
  });

  it('tells nothing once disposed of, and leaves no connection', async () => {
    const pods = informer();
    await pods.ready;
    await until(() => api.watches === 1);
    await pods[Symbol.asyncDispose]();
    create('a');
    await until(() => api.watches === 0);
    expect(told).to.deep.equal([]);
  });
});

function textOf({ kind, object }: InformerEvent<KubernetesObject>): string {
  return `${kind} ${object.metadata?.name} ${Number(object.metadata?.uid?.slice(-4))}`;
}
