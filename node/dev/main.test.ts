/** `npm start` as a user runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { freeBase } from './free-ports.ts';
import { LOCALHOST } from './ports.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  readonly output: { text: string };
  readonly ended: Promise<number | NodeJS.Signals>;
}

function run(...argv: string[]): Run {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output.text += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  return { child, output, ended };
}

/** Resolves once the cluster has said that it is ready. */
async function ready({ child, output, ended }: Run): Promise<void> {
  while (!output.text.includes('Ctrl-C ends it')) {
    if (child.stdout === null) throw new Error('unreachable');
    const code = await Promise.race([ended, once(child.stdout, 'data').then(() => undefined)]);
    if (code !== undefined) throw new Error(`ended with ${code}: ${output.text}`);
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, LOCALHOST);
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

async function refused(port: number): Promise<boolean> {
  const socket = connect(port, LOCALHOST);
  const error = await once(socket, 'connect').catch((thrown: NodeJS.ErrnoException) => thrown);
  socket.destroy();
  return !Array.isArray(error) && error.code === 'ECONNREFUSED';
}

describe('npm start', function () {
  this.timeout(60_000);

  it('says how to reach the cluster, and ends cleanly on Ctrl-C', async () => {
    const port = await freeBase(2);
    const supervisor = run('--nodes', '2', '--port', String(port), '--shards', '4');
    await ready(supervisor);
    expect(supervisor.output.text).to.contain(`redis-cli -c -p ${port} set a 1`);
    expect(supervisor.output.text).to.contain(`${port + 1000}, ${port + 1001}`);
    const socket = await connected(port + 1);
    // The kernel connects before the node has accepted: one that ends meanwhile would reset it.
    socket.write('PING\r\n');
    await once(socket, 'data');
    const closed = once(socket, 'close');
    supervisor.child.kill('SIGINT');
    expect(await supervisor.ended).to.equal(0);
    await closed;
    expect(await refused(port)).to.equal(true);
    expect(await refused(port + 1)).to.equal(true);
    expect(supervisor.output.text).to.not.contain('error');
  });

  it('leaves no node behind when it is killed itself', async () => {
    const port = await freeBase(1);
    const supervisor = run('--nodes', '1', '--port', String(port), '--shards', '2');
    await ready(supervisor);
    const metrics = await connected(port + 2_742);
    const closed = once(metrics, 'close');
    supervisor.child.kill('SIGKILL');
    expect(await supervisor.ended).to.equal('SIGKILL');
    await closed;
    expect(await refused(port + 2_742)).to.equal(true);
  });

  it('names a port that is in use, and starts nothing', async () => {
    const port = await freeBase(1);
    const first = run('--nodes', '1', '--port', String(port), '--shards', '2');
    await ready(first);
    const second = run('--nodes', '1', '--port', String(port));
    expect(await second.ended).to.equal(1);
    expect(second.output.text).to.contain(`${port} (resp of node 0: EADDRINUSE)`);
    expect(second.output.text).to.contain('Choose others with --port');
    first.child.kill('SIGTERM');
    expect(await first.ended).to.equal(0);
  });

  it('refuses what it does not know, and explains itself', async () => {
    const wrong = run('--node', '3');
    expect(await wrong.ended).to.equal(2);
    expect(wrong.output.text).to.contain("Unknown option '--node'");
    const help = run('--help');
    expect(await help.ended).to.equal(0);
    expect(help.output.text).to.contain('--shards N');
  });
});
