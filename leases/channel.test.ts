import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { until } from '@r-db/kubernetes/testing/until.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { channelStore, portChannel, serveLeases } from './channel.ts';
import {
  FrameReader,
  type SocketServer,
  serveLeasesOnSocket,
  socketStore,
} from './channel-socket.ts';
import { leaseStoreContract } from './contract.ts';
import { EventLog, newShardLease, SELECTOR } from './contract-tools.ts';
import { CHANNEL_FRAME_BYTES_MAX, PORT_UNACKNOWLEDGED_MAX } from './limits.ts';
import { MemoryLeases } from './memory.ts';
import type { LeaseStore, UpdateOutcome } from './store.ts';
import { memoryFaults } from './testing/memory-faults.ts';

/** Leases in memory, served; faults are those of the client `served`. */
function served() {
  const scheduler = new ManualScheduler();
  const server = new MemoryLeases({ scheduler });
  const store = server.client('served');
  const faults = memoryFaults(server, {
    client: 'served',
    // The store over the channel has timers of its own.
    expire: async () => {},
    release: () => scheduler.advance(60_000),
  });
  return {
    server,
    store,
    contract: {
      other: server.client('other'),
      putRaw: async (raw: unknown) => server.objects.put(raw),
      faults,
    },
  };
}

leaseStoreContract(
  'over a MessagePort',
  async () => {
    const { store, contract } = served();
    const { port1, port2 } = new MessageChannel();
    const serving = serveLeases({ channel: portChannel(port1), store, admin: store });
    const client = channelStore(port2);
    return {
      ...contract,
      store: client,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        await serving[Symbol.asyncDispose]();
      },
    };
  },
  { faults: true },
);

leaseStoreContract(
  'over a local socket, cut and connected anew',
  async () => {
    const { store, contract } = served();
    const directory = await mkdtemp(join(tmpdir(), 'rdb-leases-'));
    const path = join(directory, 'leases.sock');
    let serving = await serveLeasesOnSocket({ path, store, admin: store });
    const client = socketStore(path);
    return {
      ...contract,
      store: client,
      faults: {
        ...contract.faults,
        async cutWatches() {
          await serving[Symbol.asyncDispose]();
          return {
            heal: async () => {
              serving = await serveLeasesOnSocket({ path, store, admin: store });
            },
          };
        },
      },
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        await serving[Symbol.asyncDispose]();
        await rm(directory, { recursive: true });
      },
    };
  },
  { faults: true },
);

describe('Leases over a local socket', () => {
  let directory: string;
  let path: string;
  let memory: MemoryLeases;
  let scheduler: ManualScheduler;
  let serving: SocketServer;
  let errors: string[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rdb-leases-'));
    path = join(directory, 'leases.sock');
    scheduler = new ManualScheduler();
    memory = new MemoryLeases({ scheduler });
    errors = [];
    const onError = ({ message }: Error) => void errors.push(message);
    serving = await serveLeasesOnSocket({ path, store: memory.client('served'), onError });
    await memory.client('admin').create(newShardLease('demo-shard-0'));
  });
  afterEach(async () => {
    await serving[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  it('leaves updates unresolved and fails reads when the connection breaks', async () => {
    await using store = socketStore(path);
    const lease = await store.get('demo-shard-0');
    if (lease === undefined) throw new Error('missing');
    let struck = 0;
    memory.setFault(() => {
      struck++;
      return { lose: 'reply' };
    });
    const update = store.update(lease, {});
    const get = store.get('demo-shard-0').catch((error: Error) => error.message);
    await until(() => struck === 2);
    serving.disconnect();
    expect((await update).kind).to.equal('unresolved');
    expect(await get).to.contain('the connection to the store broke');
    memory.setFault(() => undefined);
    expect((await store.get('demo-shard-0'))?.annotations['rdb.dev/revision']).to.equal('2');
  });

  it('holds requests until there is a connection; at the deadline nothing was sent', async () => {
    const waiting = new ManualScheduler();
    await using store = socketStore(join(directory, 'none.sock'), { scheduler: waiting });
    const lease = memory.objects.get('demo-shard-0');
    if (lease === undefined) throw new Error('missing');
    const update = store.update(lease, {}, { timeoutMs: 100 });
    await waiting.advance(100);
    expect(await update).to.include({ kind: 'refused', reason: 'Unreachable' });
  });

  it('hears at the deadline what the server knows: whether anything was sent', async () => {
    const { port1, port2 } = new MessageChannel();
    const clock = new ManualScheduler();
    const asked = Promise.withResolvers<void>();
    const behind: LeaseStore = Object.assign(memory.client('behind'), {
      update: (...[, , deadline]: Parameters<LeaseStore['update']>): Promise<UpdateOutcome> => {
        const { promise, resolve } = Promise.withResolvers<UpdateOutcome>();
        clock.after(deadline?.timeoutMs ?? 0, () =>
          resolve({ kind: 'refused', reason: 'Unreachable', message: 'no connection' }),
        );
        asked.resolve();
        return promise;
      },
    });
    await using serving = serveLeases({ channel: portChannel(port1), store: behind });
    await using store = channelStore(port2, clock);
    const lease = memory.objects.get('demo-shard-0');
    if (lease === undefined) throw new Error('missing');
    const update = store.update(lease, {}, { timeoutMs: 100 });
    await asked.promise;
    await clock.advance(99);
    expect(await update).to.include({ kind: 'refused', reason: 'Unreachable' });
    expect(serving).to.not.equal(undefined);
  });

  it('lets only admins create and delete', async () => {
    await using store = socketStore(path);
    const error = await store
      .create(newShardLease('demo-shard-1'))
      .catch((one: Error) => one.message);
    expect(error).to.contain('create: this channel may only get and update');
  });

  it('tells the age of the watch behind it, and its own when disconnected', async () => {
    const clock = new ManualScheduler();
    await using store = socketStore(path, { scheduler: clock });
    await using watch = store.watch(SELECTOR, () => {});
    await watch.ready;
    expect(watch.ageMs()).to.equal(0);
    serving.disconnect();
    await until(() => serving.connections === 0);
    await clock.advance(300);
    expect(watch.ageMs()).to.be.at.least(300);
  });

  it('ends watches and requests of clients that are gone', async () => {
    const store = socketStore(path);
    const events = new EventLog();
    const watch = store.watch(SELECTOR, events.push);
    await watch.ready;
    await store[Symbol.asyncDispose]();
    await until(() => serving.connections === 0);
    const error = await store.get('demo-shard-0').catch((one: Error) => one.message);
    expect(error).to.contain('the store is closed');
  });

  it('cuts off strangers: endless frames, no JSON, no request of ours; and serves on', async () => {
    const frame = (text: string) => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(Buffer.byteLength(text));
      return Buffer.concat([head, Buffer.from(text)]);
    };
    const endless = Buffer.alloc(4);
    endless.writeUInt32BE(CHANNEL_FRAME_BYTES_MAX + 1);
    const strange = [
      endless,
      frame('{"verb"'),
      frame('null'),
      frame('{"verb":"watch","id":1}'),
      frame('{"verb":"get","id":"x"}'),
    ];
    for (const bytes of strange) {
      const socket = connect(path);
      const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
      socket.on('error', () => {});
      socket.write(bytes);
      await closed;
    }
    expect(errors[0]).to.contain(`a frame may have ${CHANNEL_FRAME_BYTES_MAX} bytes`);
    expect(errors.length).to.equal(2);
    await using store = socketStore(path);
    expect((await store.list(SELECTOR)).length).to.equal(1);
  });

  it('answers a request of ours that makes no sense with an error', async () => {
    await using store = socketStore(path);
    const lease = await store.get('demo-shard-0');
    if (lease === undefined) throw new Error('missing');
    expect((await store.update({ ...lease, raw: 7 }, {})).kind).to.equal('unresolved');
  });
});

describe('Leases over a MessagePort', () => {
  it('tell everything anew to a thread that was blocked for too long', async () => {
    const memory = new MemoryLeases({ scheduler: new ManualScheduler() });
    const admin = memory.client('admin');
    let lease = await admin.create(newShardLease('demo-shard-0'));
    const { port1, port2 } = new MessageChannel();
    const serving = serveLeases({ channel: portChannel(port1), store: memory.client('served') });
    await using store = channelStore(port2);
    const events = new EventLog();
    await using watch = store.watch(SELECTOR, events.push);
    await watch.ready;
    // In one turn of the event loop: nothing is acknowledged meanwhile.
    for (let update = 0; update < PORT_UNACKNOWLEDGED_MAX + 100; update++) {
      const outcome = await admin.update(lease, {});
      if (outcome.kind !== 'won') throw new Error(outcome.message);
      lease = outcome.lease;
    }
    await events.until((event) => event.lease.resourceVersion === lease.resourceVersion);
    expect(events.all.length).to.be.below(PORT_UNACKNOWLEDGED_MAX + 50);
    await serving[Symbol.asyncDispose]();
  });
});

describe('FrameReader', () => {
  it('puts frames together, however they were cut', () => {
    const texts = ['{"a":1}', '[]', `"${'x'.repeat(100)}"`];
    const bytes = Buffer.concat(
      texts.flatMap((text) => {
        const head = Buffer.alloc(4);
        head.writeUInt32BE(text.length);
        return [head, Buffer.from(text)];
      }),
    );
    for (const size of [1, 2, 3, 5, 7, 50, bytes.length]) {
      const reader = new FrameReader();
      const messages: unknown[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        messages.push(...reader.push(bytes.subarray(start, start + size)));
      }
      expect(messages).to.deep.equal(texts.map((text) => JSON.parse(text) as unknown));
    }
  });
});
