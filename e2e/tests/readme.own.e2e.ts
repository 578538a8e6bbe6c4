/** The commands of the README, and of the page that it leads to for a Kubernetes, as their reader would type them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { run } from '../cluster/run.ts';
import { testEnvironment } from '../support/environment.ts';
import { helm, kubectl } from '../support/kubectl.ts';
import { operatorNamespace, release } from '../support/operator.ts';

const startMs = 30_000;

describe('the README', function () {
  this.timeout(150_000);
  let tools: string;
  let environment: NodeJS.ProcessEnv;

  before(() => {
    const { helm: helmBinary, kube } = testEnvironment();
    tools = mkdtempSync(join(tmpdir(), 'rdb-readme-'));
    makeTool('kubectl', `'${kube}' kubectl`);
    makeTool('helm', `'${helmBinary}'`);
    environment = { ...process.env, PATH: [tools, process.env['PATH']].join(delimiter) };
  });
  after(() => rmSync(tools, { recursive: true }));

  it('starts a cluster on this machine in two commands', async () => {
    // The first, `npm ci`, has been run: we are running.
    expect(block('## Two commands', 0)).to.deep.equal(['npm ci && npm start']);
    const supervisor = startLocally();
    try {
      await printed(supervisor, 'Ctrl-C ends it');
      const answers = await runAll(block('## Two commands', 1));
      expect(answers).to.match(/^OK\n1\n/);
      expect(answers).to.include('nodes 3/3 up');
    } finally {
      const ended = once(supervisor, 'exit');
      supervisor.kill('SIGINT');
      await ended;
    }
  });

  it('makes a cluster on Kubernetes', async () => {
    await helm('uninstall', release, '-n', operatorNamespace, '--ignore-not-found', '--wait');
    const answers = await runAll(block('## On Kubernetes', 0));
    expect(answers).to.match(/rdb.*demo condition met/);
    expect(answers).to.match(/demo +3 +3 +64\/64 +Ready/);
    expect(answers).to.match(/demo-shard-0 /);
    await kubectl('delete', 'rdb', 'demo', '--timeout=60s');
  });

  it('names files of the checkout to kubectl in the cluster', async () => {
    const answer = await runAll([
      'npm run -s cluster -- kubectl apply --dry-run=server -f examples/demo.yaml',
    ]);
    expect(answer).to.match(/demo created \(server dry run\)/);
  });

  function makeTool(name: string, command: string): void {
    const file = join(tools, name);
    writeFileSync(file, `#!/bin/sh\nexec ${command} "$@"\n`);
    chmodSync(file, 0o755);
  }

  function runAll(lines: readonly string[]): Promise<string> {
    const directory = testEnvironment().layout.checkout;
    return run(['sh', '-euc', lines.join('\n')], { directory, environment });
  }

  function startLocally(): ChildProcess {
    const directory = testEnvironment().layout.checkout;
    const main = join(directory, 'node', 'dev', 'main.ts');
    return spawn(process.execPath, [main], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
});

/** The commands in a section's nth block of shell lines. */
function block(section: string, index: number): readonly string[] {
  const file = join(testEnvironment().layout.checkout, 'README.md');
  const rest = readFileSync(file, 'utf8').split(`${section}\n`)[1] ?? '';
  const blocks = [...rest.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  return (blocks[index] ?? '').trim().split('\n');
}

async function printed(child: ChildProcess, text: string): Promise<void> {
  const signal = AbortSignal.timeout(startMs);
  let seen = '';
  while (!seen.includes(text)) {
    if (child.stdout === null) throw new Error('its output is not piped');
    const [chunk] = (await once(child.stdout, 'data', { signal })) as [Buffer];
    seen += chunk.toString();
  }
}
