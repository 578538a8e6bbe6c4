/** The generator against several servers at once, Redis with replicas, and etcd. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyToSlot } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { buildGenerator } from './build.ts';
import { type Load, runLoad } from './run.ts';
import { hasCompiler, type Lie, startFakeServer } from './testing.ts';
import { type EtcdLie, startFakeEtcd } from './testing-etcd.ts';

const load = {
  operation: 'load',
  connections: 4,
  pipeline: '4',
  keys: 100,
  valueBytes: 16,
  warmupSeconds: 0,
  requests: 500,
} as const satisfies Omit<Load, 'port'>;

describe('the load generator and several servers', () => {
  let cacheDirectory = '';
  let program = '';

  before(async function () {
    this.timeout(60_000);
    cacheDirectory = await mkdtemp(join(tmpdir(), 'rdb-bench-'));
    if (hasCompiler) program = await buildGenerator({ cacheDirectory });
  });
  after(() => rm(cacheDirectory, { recursive: true }));

  // Without a compiler there is no generator to test.
  if (!hasCompiler) return;

  it('asks each server for the keys of its slots only', async () => {
    const servers = await Promise.all([startFakeServer(), startFakeServer(), startFakeServer()]);
    await using stack = new AsyncDisposableStack();
    for (const server of servers) stack.use(server);
    const [a, b, c] = servers.map(({ port }) => port);
    const route = `0-999:${a},1000-9000:${b},9001-9001:${a},9002-16383:${c}`;
    await runLoad(program, { ...load, route });
    const of = (key: string): number => {
      const slot = keyToSlot(key);
      return slot < 1000 || slot === 9001 ? 0 : slot <= 9000 ? 1 : 2;
    };
    for (const [i, { store }] of servers.entries()) {
      expect([...store.keys()].every((key) => of(key) === i)).to.equal(true);
    }
    expect(servers.reduce((sum, { store }) => sum + store.size, 0)).to.equal(100);
    for (const operation of ['set', 'get', 'mixed'] as const) {
      const sample = await runLoad(program, { ...load, operation, route, salt: 3 });
      expect(sample.requests).to.equal(500);
      expect(sample.checked).to.be.greaterThan(0);
    }
  });

  it('refuses routes that leave slots out', async () => {
    const error = await failureOf(runLoad(program, { ...load, route: '0-5:7000,7-16383:7000' }));
    expect(error.message).to.contain('--route must be');
  });

  const waited: Lie = ({ name, key }) => (name === 'WAIT' ? `:${key}\r\n` : undefined);

  it('counts writes when their WAIT is answered', async () => {
    const names: string[] = [];
    await using server = await startFakeServer((request, store) => {
      names.push(request.name);
      return waited(request, store);
    });
    for (const ratePerSecond of [undefined, 2000]) {
      names.length = 0;
      const set = { ...load, operation: 'set', requests: 200, wait: 2, check: 0 } as const;
      const sample = await runLoad(program, { ...set, port: server.port, ratePerSecond });
      expect(sample.requests).to.equal(200);
      const waits = names.filter((name) => name === 'WAIT').length;
      expect(waits).to.equal(ratePerSecond === undefined ? 50 : 200);
      expect(names.length - waits).to.equal(200);
    }
  });

  it('finds a WAIT that was answered by too few', async () => {
    await using server = await startFakeServer(({ name, index }) =>
      name === 'WAIT' ? (index > 60 ? ':1\r\n' : ':2\r\n') : undefined,
    );
    const set = { ...load, operation: 'set', wait: 2, port: server.port } as const;
    const error = await failureOf(runLoad(program, set));
    expect(error.message).to.contain('wrong reply to WAIT: expected :2, got ":1');
  });

  for (const pipeline of ['1', '16', '1-8']) {
    it(`accepts a truthful etcd, pipeline ${pipeline}`, async () => {
      await using etcd = await startFakeEtcd();
      const run = { ...load, port: etcd.port, protocol: 'etcd', pipeline } as const;
      await runLoad(program, run);
      expect(etcd.store.size).to.equal(100);
      for (const operation of ['get', 'set', 'mixed'] as const) {
        const sample = await runLoad(program, { ...run, operation, salt: 7 });
        expect(sample.requests).to.equal(500);
        expect(sample.checked).to.be.greaterThan(0);
      }
    });
  }

  const lies: readonly (readonly [string, Load['operation'], EtcdLie, RegExp])[] = [
    ["another key's value", 'get', () => ({ value: 'x'.repeat(16) }), /reply to GET.*got "xxxx/],
    ['a failed call', 'set', ({ index }) => (index > 150 ? 'fail' : undefined), /a failed call/],
    ['a dropped call', 'set', ({ index }) => (index > 150 ? 'drop' : undefined), /ended a call/],
    ['a write that is not done', 'set', () => ({ value: '' }), /wrong reply to GET/],
  ];
  for (const [what, operation, lie, message] of lies) {
    it(`finds ${what} of etcd`, async () => {
      let lying = false;
      await using etcd = await startFakeEtcd((request) =>
        lying && !(what.includes('not done') && request.path.endsWith('/Range'))
          ? lie(request)
          : undefined,
      );
      const run = { ...load, port: etcd.port, protocol: 'etcd' } as const;
      await runLoad(program, run);
      lying = true;
      const error = await failureOf(runLoad(program, { ...run, operation, salt: 9 }));
      expect(error.message).to.match(message);
    });
  }
});

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    (value) => {
      throw new Error(`accepted: ${JSON.stringify(value)}`);
    },
    (error: Error) => error,
  );
}
