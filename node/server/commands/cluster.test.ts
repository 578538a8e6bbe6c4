import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, withClient } from '../testing/commands.ts';
import { ownTopology } from '../testing/serve.ts';

const own = 'd'.repeat(40);

describe('CLUSTER', () => {
  it('refuses as Redis does', () =>
    expectReplies([
      ['CLUSTER', "-ERR wrong number of arguments for 'cluster' command\r\n"],
      ['CLUSTER FOO', "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n"],
      ['CLUSTER COUNTKEYSINSLOT x', '-ERR value is not an integer or out of range\r\n'],
      ['CLUSTER COUNTKEYSINSLOT 16384', '-ERR Invalid slot\r\n'],
      ['CLUSTER GETKEYSINSLOT 1 x', '-ERR value is not an integer or out of range\r\n'],
      ['CLUSTER GETKEYSINSLOT 1 -1', '-ERR Invalid slot or number of keys\r\n'],
      ['CLUSTER GETKEYSINSLOT 99999 1', '-ERR Invalid slot or number of keys\r\n'],
      ['CLUSTER KEYSLOT foo', ':12182\r\n'],
      ['CLUSTER KEYSLOT {foo}bar', ':12182\r\n'],
      ['CLUSTER MYID', `$40\r\n${own}\r\n`],
    ]));

  it('tells slots, shards and nodes as the topology has them', () =>
    withClient(async (client, { port }) => {
      expect(await ask(client, 'CLUSTER', 'SLOTS')).to.deep.equal([
        [0, 16_383, ['127.0.0.1', port, own, []]],
      ]);
      await ask(client, 'HELLO', '3');
      const [shard] = (await ask(client, 'CLUSTER', 'SHARDS')) as [Map<string, unknown>];
      expect(shard.get('slots')).to.deep.equal([0, 16_383]);
      const [node] = shard.get('nodes') as [Map<string, unknown>];
      expect(Object.fromEntries(node)).to.deep.equal({
        id: own,
        port,
        ip: '127.0.0.1',
        endpoint: '127.0.0.1',
        role: 'master',
        'replication-offset': 0,
        health: 'online',
      });
      expect(await ask(client, 'CLUSTER', 'NODES')).to.equal(
        `${own} 127.0.0.1:${port}@${port + 2000} myself,master - 0 0 1 connected 0-16383\n`,
      );
      const info = await ask(client, 'CLUSTER', 'INFO');
      expect(info).to.contain('cluster_state:ok\r\ncluster_slots_assigned:16384\r\n');
      expect(info).to.contain('cluster_size:1\r\n');
    }));

  it('says when shards have no leader', () =>
    withClient(async (client, { topology, port }) => {
      const whole = ownTopology(4, { host: '127.0.0.1', port }, 2);
      const shards = whole.shards.map((shard) =>
        shard.shard === 1 ? { ...shard, leader: undefined } : shard,
      );
      topology.set({ ...whole, shards });
      const info = await ask(client, 'CLUSTER', 'INFO');
      expect(info).to.contain('cluster_state:fail\r\ncluster_slots_assigned:12288\r\n');
      const slots = (await ask(client, 'CLUSTER', 'SLOTS')) as unknown[][];
      expect(slots.map(([first, last]) => [first, last])).to.deep.equal([
        [0, 4095],
        [8192, 16_383],
      ]);
    }));

  it('counts and tells the keys of a slot', () =>
    withClient(async (client) => {
      for (let index = 0; index < 50; index++) {
        await client.expect(['SET', `{foo}${index}`, 'x'], '+OK\r\n');
        await client.expect(['SET', `other${index}`, 'x'], '+OK\r\n');
      }
      await client.expect(['CLUSTER', 'COUNTKEYSINSLOT', '12182'], ':50\r\n');
      const some = (await ask(client, 'CLUSTER', 'GETKEYSINSLOT', '12182', '7')) as string[];
      expect(new Set(some).size).to.equal(7);
      expect(some.every((key) => key.startsWith('{foo}'))).to.equal(true);
      await client.expect(['CLUSTER', 'GETKEYSINSLOT', '12182', '0'], '*0\r\n');
      await client.expect(['CLUSTER', 'COUNTKEYSINSLOT', '1'], ':0\r\n');
    }));
});
