import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, withClient } from '../testing/commands.ts';

describe('CONFIG', () => {
  it('tells settings under Redis’ names and under its own, by pattern', () =>
    withClient(async (client) => {
      await ask(client, 'HELLO', '3');
      const some = (await ask(client, 'CONFIG', 'GET', 'max*', 'RDB_SHARDS')) as Map<
        string,
        string
      >;
      expect(Object.fromEntries(some)).to.deep.equal({
        maxclients: '10000',
        maxmemory: String(64 * 2 ** 20),
        'maxmemory-policy': 'noeviction',
        rdb_shards: '4',
      });
      const all = (await ask(client, 'CONFIG', 'GET', '*')) as Map<string, string>;
      expect([...all.keys()]).to.include('rdb_log_level');
    }));

  it('keeps the seed of the hash to itself', () =>
    withClient(async (client) => {
      expect(JSON.stringify(await ask(client, 'CONFIG', 'GET', '*'))).not.to.match(/seed/i);
      await client.expect(['CONFIG', 'GET', 'rdb_hash_seed'], '*0\r\n');
    }));

  it('changes nothing', () =>
    expectReplies([
      [
        'CONFIG SET maxclients 5',
        '-ERR settings of a node come from its RDbCluster: change that, CONFIG SET is not there\r\n',
      ],
      ['CONFIG GET', "-ERR wrong number of arguments for 'config|get' command\r\n"],
    ]));
});
