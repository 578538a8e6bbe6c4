import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { buildFailoverWriter } from '../generator/build.ts';
import { hasCompiler, startFakeServer } from '../generator/testing.ts';
import { startFakeEtcd } from '../generator/testing-etcd.ts';
import { Writer, type WriterOptions, type WriterReport } from './writer.ts';

describe('the program that writes through failovers', () => {
  let cacheDirectory = '';
  let program = '';

  before(async function () {
    this.timeout(60_000);
    cacheDirectory = await mkdtemp(join(tmpdir(), 'rdb-bench-'));
    if (hasCompiler) program = await buildFailoverWriter({ cacheDirectory });
  });
  after(() => rm(cacheDirectory, { recursive: true }));

  // Without a compiler there is nothing to test.
  if (!hasCompiler) return;

  const start = (ports: readonly number[], more: Partial<WriterOptions> = {}): Writer =>
    new Writer({
      program,
      protocol: 'resp',
      ports,
      groups: 4,
      ratePerSecond: 2000,
      lanes: 8,
      ...more,
    });

  /** Resolves with the first report for which the test holds. */
  async function until(
    writer: Writer,
    test: (report: WriterReport) => boolean,
  ): Promise<WriterReport> {
    for (;;) {
      const report = await writer.report();
      if (test(report)) return report;
      await new Promise(setImmediate);
    }
  }

  it('loses nothing at a server that keeps everything', async () => {
    await using server = await startFakeServer();
    await using writer = start([server.port]);
    await until(writer, ({ acknowledged }) => acknowledged > 100);
    expect(await writer.check()).to.deep.equal({ lost: 0, ambiguous: 0, unread: 0 });
    const { acknowledged } = await writer.report();
    await until(writer, (report) => report.acknowledged > acknowledged);
    expect([...server.store.values()].every((value) => /^[0-9a-f]{16}$/.test(value))).to.equal(
      true,
    );
  });

  it('counts writes that were acknowledged and are gone', async () => {
    let old: { readonly key: string; readonly value: string } | undefined;
    let gone = 0;
    await using server = await startFakeServer(({ name }, store) => {
      // With the first read of the check: all writes have been answered by then.
      if (name !== 'GET' || old === undefined) return undefined;
      gone = Number.parseInt(store.get(old.key) ?? '', 16) - Number.parseInt(old.value, 16);
      store.set(old.key, old.value);
      old = undefined;
      return undefined;
    });
    await using writer = start([server.port]);
    await until(writer, ({ acknowledged }) => acknowledged > 50);
    const [key = '', value = ''] = [...server.store][0] ?? [];
    await until(writer, ({ acknowledged }) => acknowledged > 150);
    old = { key, value };
    const check = await writer.check();
    expect(gone).to.be.greaterThan(0);
    expect(check).to.deep.equal({ lost: gone, ambiguous: 0, unread: 0 });
    expect((await writer.check()).lost, 'not told twice').to.equal(0);
  });

  it('follows redirects, and goes to another server when one is gone', async () => {
    const ports: number[] = [];
    const owner = { of: (key: string): number => keyToShard(key, 2) };
    const servers = await Promise.all(
      [0, 1].map((own) =>
        startFakeServer(({ key }) =>
          owner.of(key) === own ? undefined : `-MOVED 1 127.0.0.1:${ports[owner.of(key)]}\r\n`,
        ),
      ),
    );
    ports.push(...servers.map(({ port }) => port));
    await using writer = start(ports, { groups: 2 });
    await using _second = servers[1];
    const served = (report: WriterReport): boolean =>
      report.groups.every(({ sinceMs }) => sinceMs < 50) && report.acknowledged > 100;
    expect((await until(writer, served)).moved).to.be.greaterThan(0);
    writer.mark();
    await servers[0]?.[Symbol.asyncDispose]();
    await until(writer, ({ groups }) => (groups[0]?.sinceMs ?? 0) > 150);
    // The second takes over all, with the data of the first, as a replica would.
    for (const [key, value] of servers[0]?.store ?? []) servers[1]?.store.set(key, value);
    owner.of = () => 1;
    const report = await until(writer, served);
    expect(report.groups[0]?.gapMs).to.be.greaterThan(150);
    expect(report.groups[1]?.gapMs).to.be.lessThan(report.groups[0]?.gapMs ?? 0);
    expect((await writer.check()).lost).to.equal(0);
  });

  it('writes to etcd', async () => {
    await using etcd = await startFakeEtcd();
    await using writer = start([etcd.port], { protocol: 'etcd', groups: 1 });
    await until(writer, ({ acknowledged }) => acknowledged > 100);
    expect(await writer.check()).to.deep.equal({ lost: 0, ambiguous: 0, unread: 0 });
    expect(etcd.store.size).to.equal(8);
  });

  it('gives up a write that etcd never answers, and forgets none of the hundreds behind it', async () => {
    let hung = '';
    await using etcd = await startFakeEtcd(({ path, key, index }) => {
      if (!path.endsWith('/Put') || index < 40 || hung !== '') return undefined;
      hung = key;
      return 'hang';
    });
    await using writer = start([etcd.port], { protocol: 'etcd', groups: 1, patienceSeconds: 0.3 });
    await until(writer, ({ unknown }) => unknown > 0);
    expect(hung).to.not.equal('');
    expect(await writer.check()).to.deep.equal({ lost: 0, ambiguous: 0, unread: 0 });
    const { acknowledged } = await writer.report();
    await until(writer, (report) => report.acknowledged > acknowledged + 200);
    expect(await writer.check()).to.deep.equal({ lost: 0, ambiguous: 0, unread: 0 });
  });
});
