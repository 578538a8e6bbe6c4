/** The client, the CLI and the examples of the documentation against a real cluster: processes on this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { freeBase, freePorts } from '@r-db/node/dev/free-ports.ts';
import { type LocalCluster, startLocalCluster } from '@r-db/node/dev/local-cluster.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { EXIT, EXIT_MEANINGS } from './cli/exit-codes.ts';
import { run } from './cli/run.ts';
import { connect, op, RdbError } from './mod.ts';

const MEMORY_BYTES = 512 * 1024 * 1024;
const page = readFileSync(join(import.meta.dirname, '../docs/client.md'), 'utf8');
const cli = join(import.meta.dirname, 'cli/rdb.ts');

describe('a real cluster', function () {
  this.timeout(60_000);
  let cluster: LocalCluster;
  let addresses: string[];

  before(async () => {
    cluster = await startLocalCluster({
      ports: await freePorts(3),
      replicationFactor: 1,
      memoryLimitBytes: MEMORY_BYTES,
    });
    addresses = cluster.ports.map(({ grpc }) => `127.0.0.1:${grpc}`);
  });

  after(() => cluster[Symbol.asyncDispose]());

  it('takes every key from a client that knows one node', async () => {
    // Thousands of calls at once, on a machine that may have others to do.
    await using client = await connect({ addresses: addresses.slice(2), timeoutMs: 45_000 });
    const keys = Array.from({ length: 5000 }, (_, i) => `key:${i}`);
    await Promise.all(keys.map((key) => client.set(key, key)));
    const outcomes = await client.batch(keys.map((key) => op.get(key)));
    expect(outcomes.every((outcome, i) => outcome.ok && outcome.value?.text === keys[i])).to.equal(
      true,
    );
    const found = new Set<string>();
    for await (const { key } of client.scan({ match: 'key:*' })) found.add(key);
    expect(found.size).to.equal(keys.length);
    const value = Buffer.alloc(9 * 1024 * 1024, 'long ');
    await client.set('long', value);
    expect(value.equals((await client.get('long'))?.bytes ?? Buffer.alloc(0))).to.equal(true);
    await Promise.all([...keys, 'long'].map((key) => client.delete(key)));
  });

  it('goes on after a node was killed and started again', async () => {
    await using client = await connect({ addresses: addresses.slice(0, 1) });
    const victim = cluster.nodes[1];
    const shard = cluster.shards - 1;
    const ofVictim = Array.from({ length: 1000 }, (_, i) => `k${i}`).find(
      (key) => cluster.shard(keyToShard(key, cluster.shards)).leader?.node === victim?.name,
    );
    expect(ofVictim, `a key of ${victim?.name}, of ${shard + 1} shards`).to.be.a('string');
    await client.set(ofVictim ?? '', 'before');
    victim?.signal('SIGKILL');
    // The restarted process leads its shards again, empty: there was one copy.
    for (;;) {
      try {
        if ((await client.get(ofVictim ?? '', { timeoutMs: 20_000 })) === undefined) break;
      } catch (error) {
        if (!(error instanceof RdbError && error.retryable)) throw error;
      }
    }
    expect(await client.set(ofVictim ?? '', 'after', { timeoutMs: 20_000 })).to.include({
      applied: true,
    });
    await cluster.ready({ timeoutMs: 20_000 });
    await client.delete(ofVictim ?? '');
  });

  describe('the examples', () => {
    const directory = join(import.meta.dirname, 'build', `examples-${process.pid}`);
    before(() => mkdirSync(directory, { recursive: true }));
    after(() => rmSync(directory, { recursive: true, force: true }));

    const examples = [
      ...blocks(page, 'ts').map((code, i) => ({ name: `docs/client.md ${i + 1}`, code })),
      ...docstringExamples().map((code, i) => ({ name: `mod.ts ${i + 1}`, code })),
    ];
    for (const [i, { name, code }] of examples.entries()) {
      it(`${name} prints what it says`, async () => {
        const file = join(directory, `example-${i}.ts`);
        writeFileSync(file, code.replaceAll('127.0.0.1:7379', addresses[0] ?? ''));
        const lines = await linesOf(() => import(pathToFileURL(file).href));
        expect(lines).to.deep.equal(printed(code));
      });
    }

    for (const session of blocks(page, 'console')) {
      for (const { command, output } of commands(session)) {
        it(`$ ${command}`, async () => {
          const [program, ...args] = command.split(' ');
          expect(program).to.equal('rdb');
          const shown = await inProcess(args, { RDB_ADDRESSES: addresses.join() });
          expect(comparable(shown, cluster)).to.equal(`${output}\n`);
        });
      }
    }

    it('list the exit codes of the program', () => {
      const rows = Object.entries(EXIT).map(
        ([name, code]) => `| ${code} | ${EXIT_MEANINGS[name as keyof typeof EXIT]} |`,
      );
      expect(page).to.contain(`| exit code | meaning |\n| --- | --- |\n${rows.join('\n')}\n`);
    });
  });

  it('is shown by rdb status', async () => {
    const { code, out } = await execute([cli, 'status', '--output', 'json'], {
      RDB_ADDRESSES: addresses.join(),
    });
    expect(code).to.equal(EXIT.ok);
    const { nodes, shards, lastFailovers } = JSON.parse(out) as {
      nodes: { up: boolean }[];
      shards: unknown;
      lastFailovers: { node: string; cause: string; shards: number }[];
    };
    // Of the node that was killed above, with the only copies.
    const victim = cluster.nodes[1]?.name;
    const led = Array.from({ length: cluster.shards }, (_, shard) => cluster.shard(shard)).filter(
      ({ leader }) => leader?.node === victim,
    ).length;
    expect(lastFailovers).to.have.length(1);
    expect(lastFailovers[0]).to.include({
      node: victim,
      cause: 'ContainerRestarted',
      shards: led,
    });
    expect(shards).to.deep.equal({
      total: cluster.shards,
      led: cluster.shards,
      inSync: cluster.shards,
    });
    expect(nodes.map(({ up }) => up)).to.deep.equal([true, true, true]);
  });
});

describe('rdb dev', function () {
  this.timeout(60_000);

  it('runs a cluster until it is interrupted', async () => {
    const resp = await freeBase(1);
    const child = spawn(process.execPath, [cli, 'dev', '--nodes', '1', '--port', String(resp)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit');
    const err = text(child.stderr);
    let out = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (out.includes('ready after')) resolve();
      });
      void ended.then(async () => reject(new Error(`it ended: ${out}${await err}`)));
    });
    const environment = { RDB_ADDRESSES: `127.0.0.1:${resp + 1_000}` };
    expect(await execute([cli, 'set', 'a', '1'], environment)).to.include({ code: 0, out: 'OK\n' });
    child.kill('SIGTERM');
    const [code] = await ended;
    expect(code).to.equal(0);
    expect(await execute([cli, 'get', 'a', '--timeout-ms', '300'], environment)).to.include({
      code: EXIT.unreachable,
    });
  });
});

async function execute(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number, out, err };
}

/** What a command writes, errors too, without starting a process for it. */
async function inProcess(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<string> {
  const chunks: Buffer[] = [];
  const stream = {
    write: (chunk: string | Uint8Array) => chunks.push(Buffer.from(chunk as string)),
  };
  await run({
    program: 'rdb',
    args,
    environment,
    stdout: stream,
    stderr: stream,
    readInput: async () => Buffer.alloc(0),
    signal: new AbortController().signal,
    runProgram: async () => 0,
  });
  return Buffer.concat(chunks).toString();
}

/** What is given to console.log meanwhile. */
async function linesOf(work: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => lines.push(format(...values));
  try {
    await work();
  } finally {
    console.log = log;
  }
  return lines;
}

/** The fenced blocks of a language. */
function blocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, given]) => given === language)
    .map(([, , code = '']) => code);
}

function docstringExamples(): string[] {
  const source = readFileSync(join(import.meta.dirname, 'mod.ts'), 'utf8');
  return blocks(source.replace(/^ \* ?/gm, ''), 'ts');
}

/** What the comments behind console.log say. */
function printed(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, output = '']) => output);
}

function commands(session: string): { command: string; output: string }[] {
  return session
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.trimEnd().split('\n');
      return { command, output: output.join('\n') };
    });
}

/** With the ports that the page shows, and versions left out. */
function comparable(output: string, cluster: LocalCluster): string {
  let shown = output.replace(/"version":"[^"]+"/g, '"version":"…"');
  for (const [i, { resp, grpc }] of cluster.ports.entries()) {
    shown = shown
      .replaceAll(/ +(?=127\.0\.0\.1|RESP)/g, '  ')
      .replaceAll(`:${grpc}`, `:${7379 + i}`)
      .replaceAll(`:${resp}`, `:${6379 + i}`);
  }
  return shown.replace(/GRPC +RESP/, 'GRPC            RESP');
}
