import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseShardLease, shardLeaseName } from '@r-db/proto/leases.ts';
import { parseReplicas } from '@r-db/proto/replicas.ts';
import { expect } from 'chai';
import { Cluster } from 'ioredis';
import { after, before, describe, it } from 'mocha';
import { ChildNode, TestCluster } from './server/testing/node.ts';
import { RawClient } from './server/testing/raw-client.ts';

/** The data threads hear of new settings a moment after they are logged. */
async function connectionsMaxIs(wanted: string, client: RawClient): Promise<void> {
  for (let found = ''; found !== wanted; ) {
    client.command('CONFIG', 'GET', 'maxclients');
    for (let skipped = 0; skipped < 4; skipped++) await client.line();
    found = await client.line();
  }
}

for (const threads of [1, 2]) {
  describe(`a node's process, ${threads} threads`, function () {
    this.timeout(30_000);

    let cluster: TestCluster;
    let node: ChildNode;

    before(async () => {
      cluster = await TestCluster.start();
      const environment = { ...(await cluster.environment()), RDB_THREADS: String(threads) };
      node = new ChildNode(environment);
      await node.said('"msg":"listening"');
      await node.leads(cluster.shards);
    });
    after(async () => {
      await node?.[Symbol.asyncDispose]();
      await cluster?.[Symbol.asyncDispose]();
    });

    it('finds the connections of all threads', async () => {
      const clients = await Promise.all(
        Array.from({ length: 16 }, () => RawClient.connect(node.respPort)),
      );
      for (const [index, client] of clients.entries()) {
        await client.expect(['CLIENT', 'SETNAME', `client${index}`], '+OK\r\n');
      }
      const [first, second] = clients;
      if (first === undefined || second === undefined) throw new Error('no clients');
      first.command('CLIENT', 'LIST');
      const list = await first.read(Number((await first.line()).slice(1)) + 2);
      const names = [...list.matchAll(/ name=(\S+)/g)].map((match) => match[1]);
      expect(names).to.have.members(clients.map((_, index) => `client${index}`));
      const ids = [...list.matchAll(/^id=(\d+)/gm)].map((match) => match[1]);
      expect(new Set(ids).size).to.equal(16);
      second.command('CLIENT', 'ID');
      const id = (await second.line()).slice(1);
      await first.expect(['CLIENT', 'KILL', 'ID', id], ':1\r\n');
      await second.rest();
      for (const client of clients) client.socket.destroy();
    });

    it('serves a cluster client, and tells its metrics', async () => {
      expect((await node.http('/readyz')).status).to.equal(200);
      expect((await node.http('/healthz')).status).to.equal(200);

      const client = new Cluster([{ host: '127.0.0.1', port: node.respPort }]);
      for (let index = 0; index < 100; index++) {
        await client.set(`key${index}`, `value${index}`);
      }
      expect(await client.get('key42')).to.equal('value42');
      expect(await client.incr('counter')).to.equal(1);
      const [leader] = client.nodes('master');
      expect(await leader?.dbsize()).to.equal(101);
      const found = new Set<string>();
      for await (const keys of leader?.scanStream({ count: 7 }) ?? []) {
        for (const key of keys as string[]) found.add(key);
      }
      expect(found.size).to.equal(101);
      await client.quit();

      const metrics = await (await node.http('/metrics')).text();
      expect(metrics).to.match(/rdb_commands_total\{command="set",result="ok"\} 100\n/);
      expect(metrics).to.match(/rdb_shards_led 8\n/);
      expect(metrics).to.match(/rdb_node_lease_state\{state="held"\} 1\n/);
      expect(metrics).to.match(/rdb_failovers_total\{cause="Restart"\} 0\n/);
      expect(metrics).to.match(
        /rdb_lease_request_duration_seconds_count\{verb="update",result="OK"\} (9|[1-9]\d)\n/,
      );

      const answer = parseReplicas(await (await node.http('/replicas')).text());
      expect(answer).to.include({ node: 'demo-0', minInSyncReplicas: 1 });
      expect(answer?.replicas.map(({ shard }) => shard)).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
      for (const { leading, epoch, generation, inSync } of answer?.replicas ?? []) {
        expect({ leading, epoch, generation }).to.deep.equal({
          leading: true,
          epoch: 1,
          generation: 1,
        });
        expect(inSync).to.deep.equal([{ node: 'demo-0', incarnation: answer?.incarnation }]);
      }
    });

    it('answers what is in flight before it ends on SIGTERM, and gives its shards up', async () => {
      await using client = await RawClient.connect(node.respPort);
      await client.expect(['PING'], '+PONG\r\n');
      node.child.kill('SIGTERM');
      await node.said('"msg":"stopping"');
      // Its side is closed in order: what was asked before is answered or the connection ends cleanly.
      client.command('PING');
      expect(await client.rest()).to.be.oneOf(['+PONG\r\n', '']);
      expect(await node.exit()).to.equal(0);
      expect(node.output).to.contain('"clean":true');
      for (let shard = 0; shard < cluster.shards; shard++) {
        const lease = await cluster.leases.get(shardLeaseName('demo', shard));
        const parsed = lease && parseShardLease(lease);
        expect(parsed?.ok === true && parsed.content.leader).to.equal(undefined);
      }
    });
  });
}

describe("a node's process", function () {
  this.timeout(30_000);

  it('prints every setting for --help', async () => {
    await using node = new ChildNode({ PATH: process.env['PATH'] ?? '' }, ['--help']);
    expect(await node.exit()).to.equal(0);
    expect(node.output).to.contain('RDB_RESP_PORT');
  });

  it('stops with one line for a wrong setting', async () => {
    await using cluster = await TestCluster.start();
    const environment = await cluster.environment();
    const wrong: readonly [change: Record<string, string>, message: RegExp][] = [
      [{ RDB_TREADS: '2' }, /^r_db: RDB_TREADS .*did you mean RDB_THREADS\?\n$/],
      [{ RDB_SHARDS: 'many' }, /^r_db: RDB_SHARDS is "many", expected integer, 1 to 1024\n$/],
      [{ RDB_MEMORY_LIMIT: '256Mi' }, /^r_db: the memory limit is 256Mi \(RDB_MEMORY_LIMIT\)/],
    ];
    for (const [change, message] of wrong) {
      await using node = new ChildNode({ ...environment, ...change });
      expect(await node.exit()).to.equal(2);
      expect(node.output).to.match(message);
    }
  });

  it('names a port in use and its setting', async () => {
    await using cluster = await TestCluster.start();
    const environment = await cluster.environment();
    for (const setting of ['RDB_RESP_PORT', 'RDB_GRPC_PORT', 'RDB_METRICS_PORT']) {
      const holder = createServer();
      // As another node of two threads would have it: only asking for the port alone tells.
      holder.listen({ port: Number(environment[setting]), host: '127.0.0.1', reusePort: true });
      await once(holder, 'listening');
      await using node = new ChildNode({ ...environment, RDB_THREADS: '2' });
      expect(await node.exit()).to.equal(1);
      expect(node.output).to.match(
        new RegExp(`^r_db: port ${environment[setting]} \\(${setting}\\) is in use`),
      );
      holder.close();
      await once(holder, 'close');
    }
  });

  it('takes over settings from a mounted directory while it runs', async () => {
    await using cluster = await TestCluster.start();
    const directory = join(cluster.folder, 'config');
    mkdirSync(directory);
    await using node = new ChildNode({
      ...(await cluster.environment()),
      RDB_CONFIG_DIRECTORY: directory,
    });
    await node.said('"msg":"listening"');
    await using first = await RawClient.connect(node.respPort);
    await first.expect(['PING'], '+PONG\r\n');
    const write = (name: string, text: string) => {
      writeFileSync(join(cluster.folder, name), text);
      renameSync(join(cluster.folder, name), join(directory, name));
    };
    write('RDB_CONNECTIONS_MAX', '1');
    await node.said('"msg":"settings reloaded"');
    await connectionsMaxIs('1', first);
    await using second = await RawClient.connect(node.respPort);
    expect(await second.rest()).to.equal('-ERR max number of clients reached\r\n');
    write('RDB_SHARDS', '128');
    await node.said("RDB_SHARDS can't change while the node runs");
  });

  it('holds its shards for a person once it is told so while it runs', async () => {
    await using cluster = await TestCluster.start();
    const directory = join(cluster.folder, 'config');
    mkdirSync(directory);
    await using node = new ChildNode({
      ...(await cluster.environment()),
      RDB_TOTAL_LOSS: 'Reset',
      RDB_CONFIG_DIRECTORY: directory,
    });
    await node.leads(cluster.shards);
    await using client = await RawClient.connect(node.respPort);
    for (const [name, text] of [
      ['RDB_TOTAL_LOSS', 'Hold'],
      ['RDB_CONNECTIONS_MAX', '99'],
    ] as const) {
      writeFileSync(join(cluster.folder, name), text);
      renameSync(join(cluster.folder, name), join(directory, name));
    }
    await connectionsMaxIs('99', client);
    node.child.kill('SIGTERM');
    expect(await node.exit()).to.equal(0);
    for (let shard = 0; shard < cluster.shards; shard++) {
      const lease = await cluster.leases.get(shardLeaseName('demo', shard));
      const parsed = lease && parseShardLease(lease);
      expect(parsed?.ok === true && parsed.content).to.deep.include({ epoch: 1, generation: 1 });
    }
  });

  it('tells metrics in both formats', async () => {
    await using cluster = await TestCluster.start();
    await using node = new ChildNode(await cluster.environment());
    await node.said('"msg":"listening"');
    const plain = await node.http('/metrics');
    expect(plain.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const open = await node.http('/metrics', 'application/openmetrics-text; version=1.0.0');
    expect(open.headers.get('content-type')).to.match(/^application\/openmetrics-text/);
    expect(await open.text()).to.match(/# EOF\n$/);
    expect((await node.http('/elsewhere')).status).to.equal(404);
  });

  it('is alive, but not ready, while there is no store', async () => {
    await using cluster = await TestCluster.start();
    const environment = await cluster.environment();
    await using node = new ChildNode({
      ...environment,
      RDB_LEASES: `socket:${join(cluster.folder, 'nobody')}`,
    });
    await node.said('"msg":"listening"');
    const ready = await node.http('/readyz');
    expect(ready.status).to.equal(503);
    expect(await ready.text()).to.match(/not read yet/);
    expect((await node.http('/healthz')).status).to.equal(200);
    await using client = await RawClient.connect(node.respPort);
    client.command('GET', 'a');
    expect(await client.line()).to.match(/^-CLUSTERDOWN/);
  });
});
