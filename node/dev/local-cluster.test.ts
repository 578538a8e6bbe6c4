/** Three real processes over real sockets. Slow to start, so a few tests share one cluster. */
import { connect } from 'node:net';
import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { Cluster } from 'ioredis';
import { after, before, describe, it } from 'mocha';
import { LocalClusterError } from './errors.ts';
import { freePorts } from './free-ports.ts';
import { type LocalCluster, startLocalCluster } from './local-cluster.ts';
import { LOCALHOST } from './ports.ts';

const SHARDS = 12;
const KEYS = Array.from({ length: 60 }, (_, number) => `key-${number}`);

/** Sends one inline command and gives the first line of the answer. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, LOCALHOST, () => socket.write(`${command}\r\n`));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n')) return;
      socket.destroy();
      resolve(text.slice(0, text.indexOf('\r\n')));
    });
    socket.on('error', reject);
  });
}

const leaderOf = (cluster: LocalCluster, shard: number): string | undefined =>
  cluster.shard(shard).leader?.node;

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function clientOf(cluster: LocalCluster): Cluster {
  const nodes = cluster.ports.map(({ resp }) => ({ host: LOCALHOST, port: resp }));
  return new Cluster(nodes, { clusterRetryStrategy: () => 50 });
}

async function start(totalLoss: 'Reset' | 'Hold', lines: string[] = []): Promise<LocalCluster> {
  return await startLocalCluster({
    ports: await freePorts(3),
    shards: SHARDS,
    replicationFactor: 1,
    totalLoss,
    memoryLimitBytes: 512 * 1024 * 1024,
    onLine: (node, line) => lines.push(`${node} ${line}`),
  });
}

describe('a local cluster of three nodes with one copy', function () {
  this.timeout(60_000);

  describe('under Reset', () => {
    let cluster: LocalCluster;
    before(async () => {
      cluster = await start('Reset');
    });
    after(() => cluster[Symbol.asyncDispose]());

    it('answers every key on its leader and redirects to it from the others', async () => {
      for (const key of KEYS) {
        const leader = leaderOf(cluster, keyToShard(key, SHARDS));
        for (const [ordinal, { resp }] of cluster.ports.entries()) {
          const answer = await ask(resp, `SET ${key} 1`);
          if (leader === `local-${ordinal}`) {
            expect(answer).to.equal('+OK');
          } else {
            const port = cluster.ports[Number(leader?.slice(6))]?.resp;
            expect(answer).to.match(new RegExp(`^-MOVED \\d+ ${LOCALHOST}:${port}$`));
          }
        }
      }
    });

    it('serves a Redis Cluster client', async () => {
      const client = clientOf(cluster);
      try {
        await Promise.all(KEYS.map((key) => client.set(key, `value of ${key}`)));
        const values = await Promise.all(KEYS.map((key) => client.get(key)));
        expect(values).to.deep.equal(KEYS.map((key) => `value of ${key}`));
      } finally {
        client.disconnect();
      }
    });

    it('starts the shards of a killed node again, empty, and leaves the others alone', async () => {
      const client = clientOf(cluster);
      try {
        await Promise.all(KEYS.map((key) => client.set(key, 'before')));
        const lost = KEYS.filter((key) => leaderOf(cluster, keyToShard(key, SHARDS)) === 'local-1');
        const epochs = Array.from({ length: SHARDS }, (_, shard) => cluster.shard(shard).epoch);
        const [, killed] = cluster.nodes;
        if (killed?.pid === undefined) throw new Error('local-1 does not run');
        process.kill(killed.pid, 'SIGKILL');
        await cluster.until(
          (all) => all.filter(({ generation }) => generation === 2).length === 4,
          {
            timeoutMs: 30_000,
          },
        );
        await cluster.ready({ timeoutMs: 30_000 });
        expect(killed.starts).to.equal(2);
        for (let shard = 0; shard < SHARDS; shard++) {
          const content = cluster.shard(shard);
          const again = leaderOf(cluster, shard) === 'local-1';
          expect(content.generation, `generation of ${shard}`).to.equal(again ? 2 : 1);
          expect(content.epoch, `epoch of ${shard}`).to.equal(
            (epochs[shard] ?? 0) + (again ? 1 : 0),
          );
        }
        expect(lost).to.not.have.length(0);
        for (const key of KEYS) {
          expect(await client.get(key)).to.equal(lost.includes(key) ? null : 'before');
        }
      } finally {
        client.disconnect();
      }
    });

    it('serves on while the store is away; a node killed meanwhile comes back with it', async () => {
      const client = clientOf(cluster);
      try {
        await Promise.all(KEYS.map((key) => client.set(key, 'before')));
        cluster.setOutage('frozen');
        await Promise.all(KEYS.map((key) => client.set(key, 'meanwhile')));
        const [, , killed] = cluster.nodes;
        const starts = killed?.starts ?? 0;
        const generations = Array.from(
          { length: SHARDS },
          (_, shard) => cluster.shard(shard).generation,
        );
        if (killed?.pid === undefined) throw new Error('local-2 does not run');
        process.kill(killed.pid, 'SIGKILL');
        const alive = KEYS.filter(
          (key) => leaderOf(cluster, keyToShard(key, SHARDS)) !== 'local-2',
        );
        for (const key of alive) {
          const port = cluster.ports[Number(leaderOf(cluster, keyToShard(key, SHARDS))?.slice(6))];
          expect(await ask(port?.resp ?? 0, `SET ${key} 2`)).to.equal('+OK');
        }
        cluster.setOutage('none');
        await cluster.until(
          (all) =>
            all.filter(({ generation }, i) => generation > (generations[i] ?? 0)).length >= 4,
          { timeoutMs: 30_000 },
        );
        await cluster.ready({ timeoutMs: 30_000 });
        expect(killed.starts).to.equal(starts + 1);
        for (const key of alive) expect(await client.get(key)).to.equal('2');
      } finally {
        client.disconnect();
      }
    });

    it('refuses ports that are in use, before anything is started', async () => {
      const error = await startLocalCluster({ ports: cluster.ports }).catch((thrown) => thrown);
      expect(error).to.be.instanceOf(LocalClusterError);
      expect(String(error)).to.contain(`${cluster.ports[0]?.resp} (resp of node 0: EADDRINUSE)`);
    });
  });

  it('keeps the shards of a killed node away under Hold, says so, and leaves no process behind', async () => {
    const lines: string[] = [];
    await using cluster = await start('Hold', lines);
    const [killed] = cluster.nodes;
    const [{ resp = 0 } = {}] = cluster.ports;
    const shardOf = (node: string): string | undefined =>
      KEYS.find((key) => leaderOf(cluster, keyToShard(key, SHARDS)) === node);
    const [gone, kept] = [shardOf('local-0'), shardOf('local-2')];
    if (killed?.pid === undefined) throw new Error('local-0 does not run');
    process.kill(killed.pid, 'SIGKILL');
    await cluster.ready({ timeoutMs: 30_000 });
    expect(killed.starts).to.equal(2);
    expect(await ask(resp, `GET ${gone}`)).to.match(/^-CLUSTERDOWN /);
    expect(await ask(cluster.ports[2]?.resp ?? 0, `SET ${kept} 1`)).to.equal('+OK');
    expect(cluster.shard(0)).to.deep.include({ epoch: 1, generation: 1 });
    expect(lines.join('\n')).to.contain('total loss: the shard waits until its loss is accepted');

    // All of them end with it, the one that was started again too.
    const pids = cluster.nodes.map(({ pid }) => pid ?? 0);
    expect(pids.every(exists)).to.equal(true);
    await cluster[Symbol.asyncDispose]();
    expect(pids.filter(exists)).to.deep.equal([]);
  });

  it('tells what a node said that does not start', async () => {
    const ports = await freePorts(1);
    const error = await startLocalCluster({ ports, memoryLimitBytes: 1024 }).catch(
      (thrown) => thrown,
    );
    expect(error).to.be.instanceOf(LocalClusterError);
    expect(String(error)).to.contain('local-0 does not start').and.contain('memory');
  });
});
