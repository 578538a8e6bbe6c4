import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { BenchError, MissingToolError, WrongAnswerError } from '../errors.ts';
import { buildGenerator } from './build.ts';
import { argumentsOf, type Load, runLoad, type Sample } from './run.ts';
import { hasCompiler, type Lie, startFakeServer } from './testing.ts';

const load = {
  operation: 'get',
  connections: 3,
  pipeline: '4',
  keys: 100,
  valueBytes: 16,
  requests: 500,
  warmupSeconds: 0,
} as const satisfies Omit<Load, 'port'>;

describe('the load generator', () => {
  let cacheDirectory = '';
  let program = '';

  before(async function () {
    this.timeout(60_000);
    cacheDirectory = await mkdtemp(join(tmpdir(), 'rdb-bench-'));
    if (hasCompiler) program = await buildGenerator({ cacheDirectory });
  });
  after(() => rm(cacheDirectory, { recursive: true }));

  /** Loads a fake server truthfully, then runs against what it answers. */
  async function against(lie: Lie, run: Partial<Load> = {}): Promise<Sample> {
    let lying = false;
    await using server = await startFakeServer((request, store) =>
      lying ? lie(request, store) : undefined,
    );
    await runLoad(program, { ...load, operation: 'load', port: server.port });
    expect(server.store.size).to.equal(100);
    lying = true;
    return await runLoad(program, { ...load, port: server.port, ...run });
  }

  async function refusal(lie: Lie, run: Partial<Load> = {}): Promise<WrongAnswerError> {
    try {
      const sample = await against(lie, run);
      throw new Error(`accepted: ${JSON.stringify(sample)}`);
    } catch (error) {
      expect(error).to.be.instanceOf(WrongAnswerError);
      return error as WrongAnswerError;
    }
  }

  it('names the package when there is no compiler', async () => {
    const error = await buildGenerator({
      cacheDirectory: join(cacheDirectory, 'other'),
      compiler: join(cacheDirectory, 'no-such-compiler'),
    }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(MissingToolError);
    expect((error as Error).message).to.include('apt-get install gcc');
    expect(await readdir(join(cacheDirectory, 'other'))).to.deep.equal([]);
  });

  it('writes down its arguments, leaving out what is not given', () => {
    const given = argumentsOf({ ...load, port: 1, seconds: undefined });
    expect(given.join(' ')).to.equal(
      '--operation get --port 1 --connections 3 --pipeline 4 --keys 100 --value 16 --requests 500 --warmup 0',
    );
  });

  // Without a compiler there is no generator to test: the commands then stop with the message above.
  if (!hasCompiler) return;

  it('is compiled once', async () => {
    const begin = await readdir(cacheDirectory);
    expect(await buildGenerator({ cacheDirectory })).to.equal(program);
    expect(await readdir(cacheDirectory)).to.deep.equal(begin);
  });

  for (const operation of ['get', 'set', 'mixed'] as const) {
    for (const pipeline of ['1', '16', '1-32']) {
      it(`accepts a truthful server: ${operation}, pipeline ${pipeline}`, async () => {
        const sample = await against(() => undefined, { operation, pipeline, salt: 5 });
        expect(sample.requests).to.equal(500);
        expect(sample.perSecond).to.be.greaterThan(0);
        expect(sample.checked).to.be.greaterThan(0);
        const { p50, p99, max } = sample.latencyNs;
        expect(p50).to.be.within(1, p99);
        expect(p99).to.be.at.most(max);
      });
    }
  }

  it('keeps to a rate and counts from when a request was due', async () => {
    const run = { ratePerSecond: 1000, requests: 300 };
    const sample = await against(() => undefined, run);
    expect(sample.requests).to.equal(300);
    expect(sample.seconds).to.be.within(0.29, 5);
    expect(sample.latencyNs.max).to.be.at.least(sample.latenessNs.max);
  });

  it('feels a stall in all requests that it delays', async () => {
    const stallMs = 200;
    const sample = await against(
      ({ index }) => {
        // Blocks the fake server's only thread: due requests go on piling up.
        if (index === 200) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
        return undefined;
      },
      { ratePerSecond: 1000, requests: 400 },
    );
    // A fifth of a second in less than half a second: a tenth of the requests waited long, not one.
    expect(sample.latencyNs.p90).to.be.greaterThan((stallMs / 4) * 1e6);
  });

  const lies: readonly (readonly [string, Lie, Partial<Load>, RegExp])[] = [
    ['garbage', () => 'garbage\r\n', {}, /expected 16 bytes .*got "garbage/],
    ['OK to a GET', () => '+OK\r\n', {}, /wrong reply to GET .*got "\+OK\\r\\n/],
    ['a missing key', () => '$-1\r\n', {}, /got "\$-1\\r\\n/],
    ['an error', () => '-ERR no\r\n', {}, /got "-ERR no/],
    ['a redirect', () => '-MOVED 1 a:1\r\n', { operation: 'set' }, /SET .*got "-MOVED/],
    [
      "another key's value",
      (_request, store) => `$16\r\n${store.get('key:000000000007')}\r\n`,
      {},
      /wrong reply to GET/,
    ],
    ['a shorter value', () => '$5\r\nshort\r\n', {}, /got "\$5\\r\\nshort/],
    [
      'one wrong byte in one of 500 values',
      ({ key, index }, store) =>
        index === 399 ? `$16\r\n${store.get(key)?.slice(0, 15)}~\r\n` : undefined,
      {},
      /after \d+ right replies/,
    ],
    [
      'one reply too many',
      ({ key, index }, store) =>
        index === 599 ? `$16\r\n${store.get(key)}\r\n`.repeat(2) : undefined,
      { connections: 1 },
      /a reply that no request asked for|wrong reply/,
    ],
    [
      'a write that is confirmed and not done',
      ({ name }) => (name === 'SET' ? '+OK\r\n' : undefined),
      { operation: 'set', salt: 9 },
      /wrong reply to GET/,
    ],
  ];
  for (const [name, lie, run, message] of lies) {
    it(`finds ${name}`, async () => {
      expect((await refusal(lie, run)).message).to.match(message);
    });
  }

  it('finds replies that never come', async () => {
    const error = await refusal(({ index }) => (index === 300 ? '' : undefined), {
      pipeline: '1',
      silenceSeconds: 0.2,
    });
    expect(error.message).to.match(/1 of \d+ replies missing after 0.2 s/);
  });

  it('tells when nobody listens', async () => {
    const error = await runLoad(program, { ...load, port: 1 }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(BenchError).and.not.instanceOf(WrongAnswerError);
    expect((error as Error).message).to.include('connecting to 127.0.0.1:1');
  });

  it('refuses arguments that it does not understand', () => {
    expect(() => execFileSync(program, ['--pipeline', '5-2'], { stdio: 'pipe' })).to.throw(
      '--pipeline must be N or MIN-MAX',
    );
  });
});
