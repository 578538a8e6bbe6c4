import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { BATCH_OPERATIONS_MAX } from './limits.ts';
import { type Client, connect, op, RdbError } from './mod.ts';
import { FAKE_STALENESS_MS, type FakeCluster, startFakeCluster } from './testing/fake-cluster.ts';

const SHARDS = 8;

describe('the client', () => {
  let cluster: FakeCluster;
  let client: Client;

  beforeEach(async () => {
    cluster = await startFakeCluster({ shards: SHARDS });
    client = await connect({ addresses: [cluster.nodes[0]?.address ?? ''] });
  });

  afterEach(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  const shardOf = (key: string): number => keyToShard(key, SHARDS);

  describe('operations', () => {
    it('stores and reads strings and bytes', async () => {
      expect(await client.get('a')).to.equal(undefined);
      const { applied, version } = await client.set('a', 'grüße');
      expect(applied).to.equal(true);
      const value = await client.get('a');
      expect(value).to.include({ text: 'grüße', version, expireAtMs: undefined });
      const bytes = Uint8Array.of(0, 255, 128);
      await client.set(bytes, bytes);
      expect((await client.get(bytes))?.bytes).to.deep.equal(bytes);
      expect(await client.delete('a')).to.equal(true);
      expect(await client.delete('a')).to.equal(false);
    });

    it('keeps conditions, versions and expiries', async () => {
      expect((await client.set('a', '1', { condition: 'if-present' })).applied).to.equal(false);
      const { version } = await client.set('a', '1', { condition: 'if-absent', expireAtMs: 4e12 });
      expect((await client.set('a', '2', { condition: 'if-absent' })).applied).to.equal(false);
      await client.set('a', '3', { ifVersion: version ?? '', keepExpiry: true });
      const error = await failureOf(client.set('a', '4', { ifVersion: version ?? '' }));
      expect(error).to.include({ reason: 'VERSION_MISMATCH', retryable: false });
      expect((await client.get('a'))?.expireAtMs).to.equal(4e12);
      expect((await client.touch('a', { removeExpiry: true }))?.expireAtMs).to.equal(undefined);
      expect((await client.touch('a', { expireAtMs: 5e12 }))?.expireAtMs).to.equal(5e12);
      expect((await client.touch('a'))?.expireAtMs).to.equal(5e12);
      expect(await client.touch('nothing')).to.equal(undefined);
    });

    it('adds and appends', async () => {
      expect(await client.increment('n')).to.equal(1n);
      expect(await client.increment('n', -3)).to.equal(-2n);
      expect(await client.append('t', 'ab')).to.equal(2);
      expect(await client.append('t', 'cd')).to.equal(4);
      expect(await failureOf(client.increment('t'))).to.include({ reason: 'NOT_AN_INTEGER' });
      expect(await failureOf(client.increment('n', -(2n ** 63n)))).to.include({
        reason: 'OVERFLOW',
        retryable: false,
      });
    });

    it('refuses nonsense before it is sent', async () => {
      const cases: [() => Promise<unknown>, RegExp][] = [
        [() => client.set('a', '1', { expireAfterMs: 0 }), /expireAfterMs must be a whole number/],
        [() => client.set('a', '1', { expireAfterMs: 1, expireAtMs: 2 }), /at most one of/],
        [() => client.set('a', '1', { expireAfterMs: 1, keepExpiry: true }), /at most one of/],
        [() => client.touch('a', { expireAtMs: 1.5 }), /expireAtMs must be a whole number/],
        [() => client.increment('a', 1.5), /by must be an integer/],
        [() => client.increment('a', 2n ** 63n), /by must fit 64 bits/],
        [() => client.get('a', { timeoutMs: 0 }), /time-out must be/],
      ];
      for (const [call, message] of cases) {
        const error = await failureOf(call());
        expect(error.reason).to.equal('INVALID');
        expect(error.message).to.match(message);
      }
      expect(cluster.nodes.every(({ batches }) => batches.length === 0)).to.equal(true);
    });
  });

  describe('batching', () => {
    it('sends what is asked for in one tick in one message to each node', async () => {
      const keys = Array.from({ length: 100 }, (_, i) => `key${i}`);
      await Promise.all(keys.map((key) => client.set(key, key)));
      for (const node of cluster.nodes) {
        expect(node.batches.length).to.equal(1);
        expect(node.batches[0]).to.deep.equal(keys.filter((key) => cluster.leaderOf(key) === node));
      }
      const values = await Promise.all(keys.map((key) => client.get(key)));
      expect(values.map((value) => value?.text)).to.deep.equal(keys);
    });

    it('bounds a message by operations and by bytes', async () => {
      const node = cluster.leaderOf('a');
      await Promise.all(Array.from({ length: BATCH_OPERATIONS_MAX + 1 }, () => client.get('a')));
      expect(node.batches.map(({ length }) => length)).to.have.members([BATCH_OPERATIONS_MAX, 1]);
      const large = 'x'.repeat(600_000);
      await Promise.all([client.set('a', large), client.set('a', large), client.get('a')]);
      expect(node.batches.slice(2).map(({ length }) => length)).to.have.members([1, 2]);
    });

    it('gives each operation of a batch its own outcome, typed', async () => {
      await client.set('text', 'x');
      const [get, increment, set, absent] = await client.batch([
        op.get('text'),
        op.increment('text'),
        op.set('other', '1'),
        op.get('absent'),
      ]);
      expect(get.ok && get.value?.text).to.equal('x');
      expect(!increment.ok && increment.error.reason).to.equal('NOT_AN_INTEGER');
      expect(set.ok && set.value.applied).to.equal(true);
      expect(absent).to.deep.equal({ ok: true, value: undefined });
      expect(await client.batch([])).to.deep.equal([]);
    });
  });

  describe('routing', () => {
    it('follows NOT_LEADER at once and remembers', async () => {
      const shard = shardOf('a');
      const [before, after] = [shard % 3, (shard + 1) % 3];
      cluster.leadSilently(shard, after);
      await client.set('a', '1');
      expect(cluster.nodes[before]?.batches).to.deep.equal([['a']]);
      await client.get('a');
      expect(cluster.nodes[before]?.batches.length).to.equal(1);
      expect(cluster.nodes[after]?.batches).to.deep.equal([['a'], ['a']]);
    });

    it('waits for a leader, and goes on as soon as there is one', async () => {
      const shard = shardOf('a');
      cluster.lead(shard, undefined);
      await changed(client, () => client.topology().shards[shard]?.leader === undefined);
      const done = client.set('a', '1');
      cluster.lead(shard, 2);
      expect(await done).to.include({ applied: true });
      expect(cluster.nodes[2]?.batches).to.deep.equal([['a']]);
    });

    it('tries again what passes, until it has passed', async () => {
      const node = cluster.leaderOf('a');
      node.faults.push('NO_LEADER', 'SHARD_MOVING', 'OVERLOADED', 'NOT_ENOUGH_IN_SYNC');
      expect(await client.set('a', '1')).to.include({ applied: true });
      expect(node.batches.length).to.equal(5);
    });

    it('tells what kept it when the time is over', async () => {
      cluster.leaderOf('a').faults.push(...new Array<'SHARD_MOVING'>(100).fill('SHARD_MOVING'));
      const error = await failureOf(client.set('a', '1', { timeoutMs: 100 }));
      // If the time ends while an attempt is out, nobody knows what came of that one.
      expect(error.reason).to.be.oneOf(['SHARD_MOVING', 'DEADLINE_EXCEEDED']);
      expect(error.message).to.contain('SHARD_MOVING: as ordered');
    });

    it('does not try again what would fail again', async () => {
      const node = cluster.leaderOf('a');
      const reasons = ['OUT_OF_MEMORY', 'TOO_LARGE', 'GENERATION_CHANGED'] as const;
      for (const reason of reasons) {
        node.faults.push(reason);
        expect(await failureOf(client.set('a', '1'))).to.include({ reason, retryable: false });
      }
      expect(node.batches.length).to.equal(3);
    });

    it('does not go round in circles at full speed when nodes name each other', async () => {
      const shard = shardOf('a');
      cluster.nodes.forEach((_, i) => {
        cluster.nodes[i]?.faults.push(...new Array<'NOT_LEADER'>(1000).fill('NOT_LEADER'));
      });
      const error = await failureOf(client.get('a', { timeoutMs: 500 }));
      expect(error.reason).to.be.oneOf(['NOT_LEADER', 'DEADLINE_EXCEEDED']);
      const tries = cluster.nodes.reduce((sum, { batches }) => sum + batches.length, 0);
      expect(tries, `tries for shard ${shard}`).to.be.within(5, 25);
    });
  });

  describe('reads that any replica may answer', () => {
    const anyReplica = { consistency: 'any-replica' } as const;

    it('spread over the replicas in sync, and tell how old they may be', async () => {
      await client.set('a', '1');
      const leader = cluster.leaderOf('a');
      const seen = new Set<number>();
      while (cluster.nodes.some(({ batches }) => batches.length === 0) || seen.size < 2) {
        const { value, stalenessMs } = await client.read('a', anyReplica);
        expect(value?.text).to.equal('1');
        seen.add(stalenessMs);
      }
      expect([...seen]).to.have.members([0, FAKE_STALENESS_MS]);
      const before = leader.batches.length;
      for (let i = 0; i < 5; i++)
        expect(await client.read('a')).to.deep.include({ stalenessMs: 0 });
      expect(leader.batches.length).to.equal(before + 5);
    });

    it('are answered while nobody leads', async () => {
      cluster.lead(shardOf('a'), undefined);
      await changed(client, () => client.topology().shards[shardOf('a')]?.leader === undefined);
      expect(await client.get('a', anyReplica)).to.equal(undefined);
      const answer = await client.read('a', anyReplica);
      expect(answer).to.deep.equal({ value: undefined, stalenessMs: FAKE_STALENESS_MS });
    });

    it('go to the leader when a replica can not answer', async () => {
      for (const node of cluster.nodes) {
        if (node !== cluster.leaderOf('a')) node.faults.push('NO_LEADER', 'NOT_LEADER', 'break');
      }
      for (let i = 0; i < 20; i++) await client.get('a', anyReplica);
    });
  });

  it('is connected to a node that may lead next before anything is asked of it', async () => {
    await using asked = new AsyncDisposableStack();
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    asked.defer(async () => {
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
    await once(server, 'listening');
    const connected = once(server, 'connection');
    // In sync with every shard, and leader of none.
    for (let shard = 0; shard < SHARDS; shard++) cluster.leadSilently(shard, shard % 2);
    const [, , follower] = cluster.nodes;
    if (follower !== undefined) follower.toldPort = (server.address() as AddressInfo).port;
    asked.use(await connect({ addresses: [cluster.nodes[0]?.address ?? ''] }));
    await connected;
  });

  it('says what is wrong where it reaches the nodes by one address only', async () => {
    for (const node of cluster.nodes) node.toldPort = 1;
    await using forwarded = await connect({
      addresses: [cluster.nodes[1]?.address ?? ''],
      timeoutMs: 100,
    });
    const error = await failureOf(forwarded.get('a'));
    expect(error.reason).to.equal('UNAVAILABLE');
    expect(error.message).to.match(/names 127\.0\.0\.1:1 .* port-forward.* not enough/);
  });

  describe('broken connections', () => {
    it('reads again after one', async () => {
      cluster.leaderOf('n').faults.push('break');
      expect(await client.get('n')).to.equal(undefined);
    });

    it('goes on at another node when its leader dies', async () => {
      await client.set('a', '1');
      const shard = shardOf('a');
      const dying = shard % 3;
      const heir = (dying + 1) % 3;
      cluster.nodes[dying]?.kill();
      const reading = client.get('a');
      const writing = client.set('a', '2').then(
        () => 'done',
        (error: RdbError) => error.reason,
      );
      for (let one = 0; one < SHARDS; one++) if (one % 3 === dying) cluster.lead(one, heir);
      expect((await reading)?.text).to.be.oneOf(['1', '2']);
      expect(await writing).to.be.oneOf(['done', 'OUTCOME_UNKNOWN']);
      expect(await client.set('a', '3')).to.include({ applied: true });
    });

    it('follows the topology from another node when the first one dies', async () => {
      const teller = cluster.nodes.findIndex((node) => node.openTopologies() === 1);
      expect(teller).to.equal(0);
      cluster.nodes[0]?.kill();
      while (!cluster.nodes.some((node, i) => i > 0 && node.openTopologies() === 1)) {
        await new Promise(setImmediate);
      }
      cluster.lead(0, 1);
      await changed(client, () => client.topology().shards[0]?.leader === 'fake-1');
    });
  });

  describe('time', () => {
    it('ends at the deadline', async () => {
      cluster.leaderOf('a').hold = new Promise(() => undefined);
      const error = await failureOf(client.get('a', { timeoutMs: 500 }));
      expect(error).to.include({ reason: 'DEADLINE_EXCEEDED', retryable: true });
      const write = await failureOf(client.set('a', '1', { timeoutMs: 500 }));
      expect(write).to.include({ reason: 'DEADLINE_EXCEEDED', retryable: false });
      expect(write.message).to.contain('no answer within 500 ms');
    });

    it('ends when the signal says so, before and after sending', async () => {
      const reason = new Error('enough');
      const before = await client.get('a', { signal: AbortSignal.abort(reason) }).catch((e) => e);
      expect(before).to.equal(reason);
      cluster.leaderOf('a').hold = new Promise(() => undefined);
      const controller = new AbortController();
      const during = client.get('a', { signal: controller.signal }).catch((e) => e);
      controller.abort(reason);
      expect(await during).to.equal(reason);
    });

    it('drains: what is out is answered, what comes later is refused', async () => {
      let release = (): void => undefined;
      cluster.leaderOf('a').hold = new Promise((resolve) => {
        release = resolve;
      });
      const out = client.set('a', '1');
      const drained = client.drain();
      expect(await failureOf(client.get('a'))).to.include({ reason: 'CLOSED' });
      release();
      expect(await out).to.include({ applied: true });
      await drained;
    });

    it('closes: what is out fails, and a write that was sent says so', async () => {
      const node = cluster.leaderOf('a');
      node.hold = new Promise(() => undefined);
      const read = failureOf(client.get('a'));
      const write = failureOf(client.set('a', '1'));
      while (node.batches.length === 0) await new Promise(setImmediate);
      await client.close();
      expect((await read).reason).to.equal('CLOSED');
      expect((await write).reason).to.equal('OUTCOME_UNKNOWN');
      await client.close();
    });
  });

  describe('scan', () => {
    const keys = Array.from({ length: 60 }, (_, i) => `user:${i}`);

    beforeEach(async () => {
      await Promise.all(keys.map((key) => client.set(key, `v ${key}`)));
      await client.set('other', '1');
    });

    it('walks all keys of all nodes', async () => {
      const found: string[] = [];
      for await (const { key, value } of client.scan()) {
        expect(value).to.equal(undefined);
        found.push(key);
      }
      expect(found).to.have.members([...keys, 'other']);
      expect(found.length).to.equal(keys.length + 1);
    });

    it('tells values and only what matches', async () => {
      const found = new Map<string, string>();
      for await (const { key, value } of client.scan({ match: 'user:*', withValues: true })) {
        found.set(key, Buffer.from(value ?? []).toString());
      }
      expect([...found.keys()]).to.have.members(keys);
      expect([...found].every(([key, value]) => value === `v ${key}`)).to.equal(true);
    });

    it('goes on after a token', async () => {
      const all: { key: string; token: string | undefined }[] = [];
      for await (const { key, token } of client.scan()) all.push({ key, token });
      const cut = all.findIndex(({ token }, i) => i > 20 && token !== all[i + 1]?.token);
      const rest: string[] = [];
      for await (const { key } of client.scan({ after: all[cut]?.token ?? '' })) rest.push(key);
      expect(rest).to.deep.equal(all.slice(cut + 1).map(({ key }) => key));
      expect(all.at(-1)?.token).to.equal(undefined);
    });

    it('survives broken connections and leaders that move, and tells no key twice for it', async () => {
      const found: string[] = [];
      for await (const { key } of client.scan()) {
        found.push(key);
        if (found.length === 5) for (const node of cluster.nodes) node.breaksAfterExecuting = 2;
        if (found.length === 15)
          for (let shard = 0; shard < SHARDS; shard++) cluster.lead(shard, 1);
      }
      expect(found.length).to.equal(keys.length + 1);
      expect(new Set(found).size).to.equal(found.length);
    });

    it('follows redirects in the middle of a run, and asks a node once for all it leads', async () => {
      for (let shard = 0; shard < SHARDS; shard++) cluster.lead(shard, 0);
      await changed(client, () =>
        client.topology().shards.every(({ leader }) => leader === 'fake-0'),
      );
      cluster.leadSilently(3, 1);
      cluster.leadSilently(4, 2);
      const found: string[] = [];
      for await (const { key } of client.scan()) found.push(key);
      expect(found.length).to.equal(keys.length + 1);
      expect(new Set(found).size).to.equal(found.length);
    });

    it('can be left', async () => {
      for await (const { key } of client.scan()) {
        expect(key).to.be.a('string');
        break;
      }
      const controller = new AbortController();
      const reason = new Error('enough');
      let thrown: unknown;
      try {
        for await (const { key } of client.scan({ signal: controller.signal })) {
          if (key !== '') controller.abort(reason);
        }
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.equal(reason);
    });

    it('says what is wrong with a token', async () => {
      const error = await failureOf(client.scan({ after: 'nonsense' }).next());
      expect(error.reason).to.equal('INVALID');
    });
  });

  it('tells the topology and figures of a node', async () => {
    const { nodes, shards, cluster: name, clusterId, version } = client.topology();
    expect({ name, clusterId, version }).to.deep.equal({
      name: 'fake',
      clusterId: 'fake-cluster-uid',
      version: '0.1.0',
    });
    expect(nodes.map((node) => node.name)).to.deep.equal(['fake-0', 'fake-1', 'fake-2']);
    expect(shards.map(({ leader }) => leader).slice(0, 3)).to.deep.equal([
      'fake-0',
      'fake-1',
      'fake-2',
    ]);
    const stats = await client.stats(nodes[1]?.grpc ?? '');
    expect(stats).to.include({ node: 'fake-1', uptimeMs: 61_000n });
    expect(await failureOf(client.stats('127.0.0.1:1'))).to.include({ reason: 'UNAVAILABLE' });
  });
});

describe('connect', () => {
  it('says which addresses were tried', async () => {
    const error = await failureOf(
      connect({ addresses: ['127.0.0.1:1', '127.0.0.1:2'], connectTimeoutMs: 200 }),
    );
    expect(error).to.include({ reason: 'UNAVAILABLE', retryable: true });
    expect(error.message)
      .to.match(/127\.0\.0\.1:1.*does not answer/)
      .and.match(/127\.0\.0\.1:2/);
  });

  it('is content with one address that answers', async () => {
    await using cluster = await startFakeCluster({ nodes: 1 });
    await using client = await connect({
      addresses: ['127.0.0.1:1', cluster.nodes[0]?.address ?? ''],
    });
    await client.set('a', '1');
  });

  it('refuses what is no address', async () => {
    for (const addresses of [[], ['a b'], ['host:port'], ['host:99999'], ['http://host']]) {
      expect(await failureOf(connect({ addresses }))).to.include({ reason: 'INVALID' });
    }
  });

  it('ends when the signal says so', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const connecting = connect({ addresses: ['127.0.0.1:1'], signal: controller.signal }).catch(
      (e) => e,
    );
    controller.abort(reason);
    expect(await connecting).to.equal(reason);
  });
});

async function failureOf(promise: Promise<unknown>): Promise<RdbError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RdbError) return error;
    throw error;
  }
  throw new Error('the call did not fail');
}

/** Resolves when the condition holds, looked at after each change of the topology. */
async function changed(client: Client, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const stop = client.onTopology(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });
}
