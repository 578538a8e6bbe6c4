/** A real Prometheus scrapes nodes and operator, and finds every metric that docs/metrics.md lists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { attempt, until } from '../cluster/run.ts';
import { demo, nodePods, requireDemo } from '../support/demo.ts';
import { testEnvironment } from '../support/environment.ts';
import { operatorPods } from '../support/operator.ts';
import { Prometheus } from '../support/prometheus.ts';

const scrapedMs = 20_000;

describe('metrics', () => {
  let prometheus: Prometheus;
  before(async () => {
    await requireDemo();
    prometheus = await Prometheus.start(await scraped());
  });
  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
  });

  const scraped = async () => [
    ...(await nodePods(demo.namespace, demo.name)),
    ...(await operatorPods()),
  ];

  it('are scraped from every node and operator', async () => {
    const names = (await scraped()).map(({ metadata }) => metadata.name).sort();
    const up = async () => {
      const targets = await prometheus.targets();
      return targets
        .filter(({ health }) => health === 'up')
        .map(({ labels }) => labels['pod'] ?? '');
    };
    await until('all targets are up', scrapedMs, async () => (await up()).length === names.length);
    expect((await up()).sort()).to.deep.equal(names);
  });

  it('are all that docs/metrics.md lists, and no other', async () => {
    const page = readFileSync(
      join(testEnvironment().layout.checkout, 'docs', 'metrics.md'),
      'utf8',
    );
    const listed = new Set(page.match(/^\| `rdb_\w+/gm)?.map((cell) => cell.slice(3)));
    expect(listed.size).to.be.above(15);
    const told = [...(await prometheus.names())].filter((name) => name.startsWith('rdb_'));
    // OpenMetrics calls a family of counters by its name without the suffix of its series.
    const family = (name: string) => name.replace(/_total$/, '');
    expect(told.map(family).sort()).to.deep.equal([...listed].map(family).sort());
  });

  it('tell what goes on', async () => {
    const one = async (expression: string) =>
      Number((await prometheus.query(expression))[0]?.value[1] ?? Number.NaN);
    const leaders = `sum(rdb_shard_leader{namespace="${demo.namespace}"})`;
    const shards = `count(count by (shard) (rdb_shard_leader{namespace="${demo.namespace}"}))`;
    expect(await one(leaders)).to.equal(await one(shards));
    expect(await one('sum(rdb_operator_leader)')).to.equal(1);
  });

  it('are written as promtool likes them', async () => {
    const pods = await scraped();
    const targets = await prometheus.targets();
    for (const { metadata, status } of [pods[0], pods.at(-1)].flatMap((pod) => pod ?? [])) {
      const target = targets.find(({ labels }) => labels['pod'] === metadata.name);
      const port = target?.labels['instance']?.split(':').at(-1);
      const answer = await fetch(`http://${status.podIP}:${port}/metrics`);
      const check = { input: await answer.text() };
      const { stdout, stderr } = await attempt(['promtool', 'check', 'metrics'], check);
      // Those of Node.js itself have the names that everybody's dashboards know.
      const ours = `${stdout}${stderr}`.split('\n').filter((line) => !/^nodejs_|^$/.test(line));
      expect(ours, metadata.name).to.deep.equal([]);
    }
  });
});
