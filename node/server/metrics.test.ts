import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { expose } from './exposition.ts';
import { Histograms } from './histograms.ts';
import { requestBuckets } from './limits.ts';
import { type MetricSources, metricDefinitions } from './metrics.ts';
import { encode, RawClient } from './testing/raw-client.ts';
import { type Served, serve } from './testing/serve.ts';

function sources(served: Served, change: Partial<MetricSources> = {}): MetricSources {
  const leaseRequests = new Histograms(requestBuckets, 2);
  leaseRequests.observe({ verb: 'get', result: 'OK' }, 0.003);
  leaseRequests.observe({ verb: 'get', result: 'OK' }, 100);
  const kubernetesRequests = new Histograms(requestBuckets, 2);
  kubernetesRequests.observe({ verb: 'update', code: '409' }, 0.003);
  return {
    version: '1',
    node: 'demo-0',
    statistics: served.statistics,
    engine: served.engine,
    perShard: true,
    startedMs: 5000,
    mainLoop: { mean: 0.001, p99: 0.002, max: 0.003 },
    monotonicMs: 0,
    followers: [{ shard: 1, node: 'demo-1', lagEntries: 7 }],
    topology: served.topology.current(),
    agent: {
      failovers: new Map([['Restart', 2]]),
      totalLosses: { reset: 1, held: 0 },
      leasesLost: 3,
      leasesIgnored: 4,
      storeTroubles: 5,
      watchAgeMs: 1500,
      nodeLease: { kind: 'held' },
      nodeLeaseAgeMs: 2500,
    },
    leaseRequests,
    kubernetesRequests,
    ...change,
  };
}

describe('metrics', () => {
  it('say what happened', async () => {
    await using served = await serve();
    await using client = await RawClient.connect(served.port);
    await client.expect(['SET', 'a', '1'], '+OK\r\n');
    await client.expect(
      ['CLIENT', 'NOSUCH'],
      "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n",
    );
    client.command('NOSUCH');
    await client.line();
    const { body } = await expose(sources(served), '');
    for (const line of [
      'rdb_commands_total{command="set",result="ok"} 1',
      'rdb_commands_total{command="client",result="error"} 1',
      'rdb_commands_total{command="unknown",result="error"} 1',
      'rdb_command_duration_seconds_count 3',
      'rdb_command_duration_seconds_bucket{le="+Inf"} 3',
      'rdb_connections{protocol="resp"} 1',
      'rdb_keys{shard="3"} 1',
      'rdb_shard_leader{shard="3"} 1',
      'rdb_shard_epoch{shard="3"} 1',
      'rdb_shard_in_sync_replicas{shard="3"} 1',
      'rdb_failovers_total{cause="Restart"} 2',
      'rdb_total_losses_total{action="reset"} 1',
      'rdb_total_losses_total{action="held"} 0',
      'rdb_leases_lost_total 3',
      'rdb_leases_ignored_total 4',
      'rdb_lease_request_failures_total 5',
      'rdb_node_lease_state{state="held"} 1',
      'rdb_node_lease_state{state="waiting"} 0',
      'rdb_node_lease_age_seconds 2.5',
      'rdb_lease_request_duration_seconds_bucket{le="0.0025",verb="get",result="OK"} 0',
      'rdb_lease_request_duration_seconds_bucket{le="0.005",verb="get",result="OK"} 1',
      'rdb_lease_request_duration_seconds_count{verb="get",result="OK"} 2',
      'rdb_kubernetes_request_duration_seconds_bucket{le="+Inf",verb="update",code="409"} 1',
      'rdb_kubernetes_watch_age_seconds 1.5',
      'rdb_event_loop_delay_seconds{thread="main",statistic="p99"} 0.002',
      'rdb_node_info{node="demo-0",version="1"} 1',
    ]) {
      expect(body).to.contain(`${line}\n`);
    }
  });

  it('count each command of a pipeline, and what took long once it is done', async () => {
    await using served = await serve();
    await using client = await RawClient.connect(served.port);
    const count = async (): Promise<number> => {
      const { body } = await expose(sources(served), '');
      return Number(/^rdb_command_duration_seconds_count (\d+)$/m.exec(body)?.[1]);
    };
    client.send(Buffer.concat(Array.from({ length: 500 }, () => encode(['INCR', 'a']))));
    while ((await client.line()) !== ':500');
    expect(await count()).to.equal(500);
    // JavaScript's, a long value's, and one behind them.
    await client.expect(['SET', 'long', Buffer.alloc(100_000, 'x')], '+OK\r\n');
    client.command('CLIENT', 'LIST').command('GET', 'long').command('GET', 'a');
    while ((await client.line()) !== '500');
    expect(await count()).to.equal(504);
    const { body } = await expose(sources(served), '');
    expect(body).to.match(/^rdb_command_duration_seconds_bucket\{le="2.5"\} 504$/m);
  });

  it('leave the series of shards out where that is asked for', async () => {
    await using served = await serve();
    const { body } = await expose(sources(served, { perShard: false }), '');
    expect(body).not.to.contain('shard=');
    expect(body).to.contain('rdb_shards_led 4\n');
  });

  it('are OpenMetrics for who accepts that: names of counters, end mark', async () => {
    await using served = await serve();
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
    for (let scrape = 0; scrape < 2; scrape++) {
      const { body, contentType } = await expose(sources(served), accept);
      expect(contentType).to.match(/^application\/openmetrics-text/);
      expect(body).to.contain('# TYPE rdb_commands counter\n');
      expect(body).to.contain('rdb_commands_total{command="get",result="ok"} 0\n');
      expect(body.endsWith('# EOF\n')).to.equal(true);
    }
    const { body } = await expose(sources(served), '');
    expect(body).to.contain('# TYPE rdb_commands_total counter\n');
  });

  it('have names and units as Prometheus wants them', () => {
    for (const { name, type } of metricDefinitions) {
      expect(name).to.match(/^rdb_[a-z_]+$/);
      expect(name.endsWith('_total')).to.equal(type === 'counter');
    }
    const names = metricDefinitions.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
  });

  it('are all in docs/metrics.md, with type, labels and meaning', () => {
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    for (const { name, type, labels, help } of metricDefinitions) {
      const shown = labels.map((label) => ` \`${label}\``).join(',');
      expect(page).to.contain(`| \`${name}\` | ${type} |${shown} | ${help} |\n`);
    }
    const section = /^## Node$[\s\S]*?(?=^## )/m.exec(page)?.[0] ?? '';
    const listed = [...section.matchAll(/^\| `(rdb_[a-z_]+)` \|/gm)].map((match) => match[1]);
    expect(listed).to.have.members(metricDefinitions.map(({ name }) => name));
  });
});
