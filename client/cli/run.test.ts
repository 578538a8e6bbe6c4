import { keyToShard, keyToSlot } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { type FakeCluster, startFakeCluster } from '../testing/fake-cluster.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import { addressesOf, type Process, run } from './run.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe('rdb', () => {
  let cluster: FakeCluster;

  before(async () => {
    cluster = await startFakeCluster();
  });

  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  /** Runs a command line against the fake cluster. */
  async function rdb(
    args: readonly string[],
    more: Partial<Process> & { terminal?: boolean } = {},
  ): Promise<Ran> {
    const chunks = { out: [] as Buffer[], err: [] as Buffer[] };
    const stream = (list: Buffer[]) => ({
      write: (chunk: string | Uint8Array) => list.push(Buffer.from(chunk as string)),
      isTTY: more.terminal ?? false,
    });
    const code = await run({
      program: 'rdb',
      args,
      environment: { RDB_ADDRESSES: cluster.nodes.map(({ address }) => address).join(',') },
      stdout: stream(chunks.out),
      stderr: stream(chunks.err),
      readInput: async () => Buffer.from('from input'),
      signal: new AbortController().signal,
      runProgram: async () => {
        throw new Error('no program here');
      },
      ...more,
    });
    return {
      code,
      out: Buffer.concat(chunks.out).toString(),
      err: Buffer.concat(chunks.err).toString(),
    };
  }

  const json = async (...args: string[]): Promise<unknown> => {
    const { out, code, err } = await rdb([...args, '--output', 'json']);
    expect(code, err).to.be.oneOf([EXIT.ok, EXIT.notFound]);
    return JSON.parse(out);
  };

  describe('keys', () => {
    it('sets and gets', async () => {
      expect(await rdb(['set', 'a', '1'])).to.deep.equal({ code: 0, out: 'OK\n', err: '' });
      expect(await rdb(['get', 'a'])).to.deep.equal({ code: 0, out: '1\n', err: '' });
      expect(await json('get', 'a')).to.include({
        key: 'a',
        found: true,
        value: '1',
        expireAtMs: null,
      });
    });

    it('tells an absent key by its exit code', async () => {
      expect(await rdb(['get', 'absent'])).to.deep.equal({
        code: EXIT.notFound,
        out: '',
        err: 'there is no key "absent"\n',
      });
      expect(await json('get', 'absent')).to.deep.equal({ key: 'absent', found: false });
    });

    it('takes a value from standard input, and one that begins with - behind --', async () => {
      await rdb(['set', 'i', '-']);
      expect((await rdb(['get', 'i'])).out).to.equal('from input\n');
      await rdb(['set', 'i', '--', '-x']);
      expect((await rdb(['get', 'i'])).out).to.equal('-x\n');
    });

    it('keeps conditions', async () => {
      expect(await rdb(['set', 'c', '1', '--if-present'])).to.include({
        code: EXIT.notFound,
        out: '',
      });
      expect(await json('set', 'c', '1', '--if-absent', '--expire-after-ms', '60000')).to.include({
        applied: true,
      });
      const { version, expireAtMs } = (await json('get', 'c')) as {
        version: string;
        expireAtMs: number;
      };
      expect(expireAtMs).to.be.greaterThan(Date.now());
      expect(await json('set', 'c', '2', '--if-version', version, '--keep-expiry')).to.include({
        applied: true,
      });
      const { code, err } = await rdb(['set', 'c', '3', '--if-version', version]);
      expect(code).to.equal(EXIT.failed);
      expect(err).to.contain('VERSION_MISMATCH');
    });

    it('adds', async () => {
      expect((await rdb(['incr', 'n'])).out).to.equal('1\n');
      expect((await rdb(['incr', 'n', '-5'])).out).to.equal('-4\n');
      expect(await json('incr', 'n', '9007199254740993')).to.deep.equal({
        key: 'n',
        value: '9007199254740989',
      });
      await rdb(['set', 'text', 'x']);
      expect(await rdb(['incr', 'text'])).to.include({ code: EXIT.failed, out: '' });
    });

    it('deletes', async () => {
      await rdb(['set', 'd1', '1']);
      await rdb(['set', 'd2', '1']);
      expect(await json('del', 'd1', 'd2', 'd3')).to.deep.equal({
        deleted: ['d1', 'd2'],
        count: 2,
      });
      expect(await rdb(['del', 'd1'])).to.include({ code: EXIT.notFound, out: '0\n' });
    });

    it('scans: plain lines in a pipe, a JSON value a line', async () => {
      for (let i = 0; i < 20; i++) await rdb(['set', `scan:${i}`, `v${i}`]);
      const { out } = await rdb(['scan', 'scan:*', '--values']);
      const lines = out.trim().split('\n');
      expect(lines.sort()).to.deep.equal(
        Array.from({ length: 20 }, (_, i) => `scan:${i}\tv${i}`).sort(),
      );
      const objects = (await rdb(['scan', 'scan:*', '-o', 'json', '--limit', '7'])).out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { key: string; token: string });
      expect(objects.length).to.equal(7);
      const after =
        objects.findLast(({ token }, i) => objects[i - 1]?.token !== token)?.token ?? '';
      const rest = (await rdb(['scan', 'scan:*', '--after', after])).out.trim().split('\n');
      expect(rest.length).to.be.within(12, 19);
    });

    it('does no harm to a terminal, and loses nothing in a pipe or in JSON', async () => {
      const bytes = Buffer.from([27, 91, 50, 74, 255]);
      await rdb(['set', 'binary', '-'], { readInput: async () => bytes });
      expect((await rdb(['get', 'binary'], { terminal: true })).out).to.equal('\\x1b[2J\\xff\n');
      expect(await json('get', 'binary')).to.include({ valueBase64: bytes.toString('base64') });
      await rdb(['set', 'new\nline', '1']);
      expect((await rdb(['scan', 'new*'])).out).to.equal('new\\x0aline\n');
    });
  });

  describe('the cluster', () => {
    it('shows its status', async () => {
      const { out, code } = await rdb(['status']);
      expect(code).to.equal(EXIT.ok);
      expect(out)
        .to.contain('fake  r_db 0.1.0')
        .and.contain('nodes 3/3 up, shards 8/8 with a leader, 8/8 with all copies in sync');
      expect(out).to.match(
        /fake-0 +127\.0\.0\.1:\d+ +127\.0\.0\.1:6379 +zone-0 +3 +8\/8 +\d+ +100 MiB of 1\.0 GiB +1m 1s/,
      );
      const status = (await json('status')) as {
        nodes: { name: string; up: boolean; leads: number }[];
      };
      expect(status).to.deep.include({ cluster: 'fake', shards: { total: 8, led: 8, inSync: 8 } });
      expect(status.nodes.map(({ name, up, leads }) => ({ name, up, leads }))).to.deep.equal([
        { name: 'fake-0', up: true, leads: 3 },
        { name: 'fake-1', up: true, leads: 3 },
        { name: 'fake-2', up: true, leads: 2 },
      ]);
    });

    it('shows the last failovers, newest first', async () => {
      await using failed = await startFakeCluster();
      const tell = (shard: number, node: string, timeMs: number): void => {
        const durations = { detectionMs: BigInt(900 + shard), promotionMs: 40n };
        failed.failovers.set(shard, {
          ...{ node, cause: 'LeaderLost', timeMs: BigInt(timeMs) },
          ...durations,
        });
        failed.lead(shard, 0);
      };
      tell(1, 'fake-1', Date.UTC(2026, 0, 1));
      tell(4, 'fake-1', Date.UTC(2026, 0, 1, 0, 0, 1));
      tell(2, 'fake-2', Date.UTC(2026, 0, 2));
      const environment = { RDB_ADDRESSES: failed.nodes[0]?.address };
      const { out } = await rdb(['status'], { environment });
      expect(out.split('\n').slice(-4)).to.deep.equal([
        'LAST FAILOVERS  CAUSE       SHARDS  AT                        DETECTION  PROMOTION',
        'fake-2          LeaderLost       1  2026-01-02T00:00:00.000Z     902 ms      40 ms',
        'fake-1          LeaderLost       2  2026-01-01T00:00:01.000Z     904 ms      40 ms',
        '',
      ]);
      const status = await rdb(['status', '--output', 'json'], { environment });
      expect(JSON.parse(status.out).lastFailovers[1]).to.deep.equal({
        ...{ node: 'fake-1', cause: 'LeaderLost', shards: 2 },
        firstTime: '2026-01-01T00:00:00.000Z',
        lastTime: '2026-01-01T00:00:01.000Z',
        ...{ detectionMilliseconds: 904, promotionMilliseconds: 40 },
      });
    });

    it('shows what is wrong, and says so by its exit code', async () => {
      await using broken = await startFakeCluster();
      broken.lead(5, undefined);
      broken.nodes[2]?.kill();
      const environment = { RDB_ADDRESSES: broken.nodes[0]?.address };
      const { out, code } = await rdb(['status', '--timeout-ms', '500'], { environment });
      expect(code).to.equal(EXIT.failed);
      expect(out).to.contain('nodes 2/3 up, shards 7/8').and.contain('without a leader: shards 5');
      expect(out).to.match(/fake-2 .*no: UNAVAILABLE/);
    });

    it('lists shards and slots', async () => {
      const { out } = await rdb(['shards']);
      expect(out.split('\n')[0]).to.match(/^SHARD +SLOTS +LEADER/);
      expect(out.split('\n').length).to.equal(10);
      const shards = (await json('shards')) as { shard: number }[];
      expect(shards[3]).to.deep.include({
        shard: 3,
        firstSlot: 6144,
        lastSlot: 8191,
        leader: 'fake-0',
        epoch: 1,
        replicas: [
          { node: 'fake-0', inSync: true, sequence: 9, lag: 0 },
          { node: 'fake-1', inSync: true, sequence: 7, lag: 2 },
          { node: 'fake-2', inSync: true, sequence: 7, lag: 2 },
        ],
      });
      expect(out).to.match(/ 3 +6144-8191 +fake-0 +fake-1,fake-2 +fake-0,fake-1,fake-2 +1 +1 +2\n/);
      const slots = (await json('slots', 'a', 'b{a}')) as { slot: number }[];
      expect(slots[0]).to.include({ key: 'a', slot: keyToSlot('a'), shard: keyToShard('a', 8) });
      expect(slots[1]?.slot).to.equal(slots[0]?.slot);
      expect((await rdb(['slots', 'a'])).out).to.contain(String(keyToSlot('a')));
    });

    it('hands leadership over, and says what it did', async () => {
      await using three = await startFakeCluster();
      const environment = { RDB_ADDRESSES: three.nodes[2]?.address };
      const led = await rdb(['lead', '3', '--on', 'fake-1'], { environment });
      expect(led).to.include({ code: EXIT.ok, err: '' });
      expect(led.out).to.match(/^fake-1 leads shard 3 in epoch 2 \(\d+ ms\)\n$/);
      three.leadSilently(3, 2);
      const again = await rdb(['lead', '3', '--on', 'fake-0', '--output', 'json'], { environment });
      expect(JSON.parse(again.out)).to.include({ shard: 3, to: 'fake-0', epoch: 4 });
      const wrong: [string[], RegExp][] = [
        [['lead', '3'], /--on must name the node/],
        [['lead', '8', '--on', 'fake-1'], /SHARD must be a whole number from 0 to 7/],
        [['lead', '1', '--on', 'fake-9'], /--on must be one of fake-0, fake-1, fake-2/],
      ];
      for (const [args, message] of wrong) {
        const { code, err } = await rdb(args, { environment });
        expect(code).to.equal(EXIT.usage);
        expect(err).to.match(message);
      }
    });

    it('is coloured on a terminal only, and not where NO_COLOR says so', async () => {
      expect((await rdb(['status'])).out).not.to.contain('\u001b[');
      expect((await rdb(['status'], { terminal: true })).out).to.contain('\u001b[');
      const RDB_ADDRESSES = cluster.nodes[0]?.address;
      expect(
        (await rdb(['status'], { terminal: true, environment: { RDB_ADDRESSES, NO_COLOR: '1' } }))
          .out,
      ).not.to.contain('\u001b[');
      expect((await rdb(['status', '--output', 'json'], { terminal: true })).out).not.to.contain(
        '\u001b[',
      );
    });
  });

  describe('help and errors', () => {
    it('lists commands and exit codes', async () => {
      const { out, code } = await rdb(['--help']);
      expect(code).to.equal(EXIT.ok);
      for (const name of Object.keys(COMMANDS))
        expect(out).to.match(new RegExp(`^  ${name} `, 'm'));
      for (const [name, meaning] of Object.entries(EXIT_MEANINGS)) {
        expect(out).to.match(new RegExp(`^  ${EXIT[name as keyof typeof EXIT]} +${meaning}$`, 'm'));
      }
      expect((await rdb([])).code).to.equal(EXIT.usage);
      expect((await rdb(['set', '--help'])).out)
        .to.contain('Usage: rdb set KEY VALUE|-')
        .and.contain('--expire-after-ms MS');
      expect((await rdb(['help'], { program: 'kubectl rdb' })).out).to.contain(
        'Usage: kubectl rdb COMMAND',
      );
    });

    const wrong: [string[], RegExp][] = [
      [['nonsense'], /no command "nonsense"; there are get, set/],
      [['get'], /an argument is missing: KEY/],
      [['get', 'a', 'b'], /"b" is too much; the arguments are: KEY/],
      [['get', 'a', '--nonsense'], /--nonsense/],
      [['get', 'a', '--output', 'xml'], /--output must be text or json, and is "xml"/],
      [['get', 'a', '--timeout-ms', 'soon'], /--timeout-ms must be a whole number .* "soon"/],
      [['get', 'a', '--addresses', 'a b'], /"a b" is no address; host:port would be right/],
      [['incr', 'a', 'much'], /BY must be a whole number, and is "much"/],
      [['set', 'a', '1', '--expire-after-ms', '-1'], /--expire-after-ms must be/],
      [['set', 'a', '1', '--if-absent', '--if-present'], /at most one of/],
      [['set', 'a', '1', '--expire-after-ms', '5', '--keep-expiry'], /at most one of/],
      [['scan', '--limit', '0'], /--limit must be a whole number from 1/],
    ];
    for (const [args, message] of wrong) {
      it(`refuses: rdb ${args.join(' ')}`, async () => {
        const { code, out, err } = await rdb(args);
        expect({ code, out }).to.deep.equal({ code: EXIT.usage, out: '' });
        expect(err).to.match(message);
      });
    }

    it('says which addresses were tried and how to start a cluster', async () => {
      const { code, err } = await rdb([
        'get',
        'a',
        '--addresses',
        '127.0.0.1:1',
        '--timeout-ms',
        '200',
      ]);
      expect(code).to.equal(EXIT.unreachable);
      expect(err)
        .to.contain('127.0.0.1:1 does not answer')
        .and.contain('rdb dev')
        .and.contain('--addresses');
    });

    it('takes addresses from the option, else the environment, else asks this machine', () => {
      const environment = { RDB_ADDRESSES: 'b:1, c:2' };
      expect(addressesOf('a:1', environment)).to.deep.equal(['a:1']);
      expect(addressesOf(undefined, environment)).to.deep.equal(['b:1', 'c:2']);
      expect(addressesOf(undefined, { RDB_ADDRESSES: '' })).to.deep.equal(['127.0.0.1:7379']);
    });

    it('tells by its exit code that nobody knows what came of a write', async () => {
      cluster
        .leaderOf('u')
        .faults.push(...new Array<'OUTCOME_UNKNOWN'>(99).fill('OUTCOME_UNKNOWN'));
      const ran = await rdb(['set', 'u', '1', '--timeout-ms', '500']);
      expect(ran).to.include({ code: EXIT.unknown, out: '' });
      cluster.leaderOf('u').faults.length = 0;
    });

    it('ends when interrupted', async () => {
      const controller = new AbortController();
      cluster.leaderOf('held').hold = new Promise(() => controller.abort());
      expect((await rdb(['get', 'held'], { signal: controller.signal })).code).to.equal(
        EXIT.interrupted,
      );
      cluster.leaderOf('held').hold = undefined;
    });
  });

  describe('dev', () => {
    it('runs the local cluster with the arguments given, and ends as it does', async () => {
      const runs: unknown[] = [];
      const runProgram: Process['runProgram'] = async (...call) => {
        runs.push(call);
        return 7;
      };
      expect((await rdb(['dev', '--nodes', '1', '--help'], { runProgram })).code).to.equal(7);
      expect(runs).to.deep.equal([['@r-db/node/dev/main.ts', ['--nodes', '1', '--help']]]);
    });

    it('says so where it is not installed', async () => {
      expect(await rdb(['dev'])).to.deep.equal({
        code: EXIT.failed,
        out: '',
        err: 'rdb dev: no program here\n',
      });
    });
  });
});
