/** Every benchmark that the docs name runs, in short; its figures are for people to judge. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { run } from '../cluster/run.ts';

/** What makes each of them short. `--smoke` is short by itself. */
const briefly: Readonly<Record<string, string>> = {
  resp: '--keys 1000 --rounds 1 --seconds 0.1',
  latency: '--keys 1000 --rounds 1 --seconds 0.2 --rate 1000',
  memory: '--keys 1000',
  start: '--rounds 1',
  grpc: '--keys 1000 --rounds 1 --seconds 0.1',
  replication: '--keys 1000 --rounds 1 --seconds 0.1 --factor 3 --leaders one',
  // A Redis Cluster with the longer of its timeouts would take half a minute.
  failover: '--kills 1 --rate 1000 --lanes 64 --of r_db,redis-2s,etcd',
  'catch-up': '--keys 10000 --value 100 --seconds 1',
  engine: '--keys 1000 --commands 10000 --rounds 1',
};

describe('the benchmarks', function benchmarks() {
  this.timeout(120_000);

  const page = readFileSync('docs/benchmarks.md', 'utf8');
  const [, block = ''] = /```sh\n([^`]*)```/.exec(page) ?? [];
  const commands = [...block.matchAll(/^npm run bench -- (\S+)([^#\n]*)/gm)];

  it('are all in the docs', () => {
    const named = new Set(commands.map(([, name]) => name));
    expect([...named].sort()).to.deep.equal(Object.keys(briefly).sort());
  });

  for (const [command, name = '', given = ''] of commands) {
    it(`run: ${command.trim()}`, async () => {
      const options = given.includes('--smoke') ? '' : (briefly[name] ?? '');
      const argv = ['npm', 'run', '-s', 'bench', '--', name, ...words(given), ...words(options)];
      const printed = await run([...argv, '--output', 'json']);
      expect(JSON.parse(printed)).to.have.property('settings');
    });
  }
});

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
