import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ask, expectReplies, withClient } from '../testing/commands.ts';
import type { RawClient } from '../testing/raw-client.ts';

async function scanAll(client: RawClient, ...options: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  let cursor = '0';
  do {
    const [next, keys] = (await ask(client, 'SCAN', cursor, ...options)) as [string, string[]];
    found.push(...keys);
    cursor = next;
  } while (cursor !== '0');
  return found;
}

describe('SCAN', () => {
  it('refuses as Redis does', () =>
    expectReplies([
      ['SCAN x', '-ERR invalid cursor\r\n'],
      ['SCAN 18446744073709551616', '-ERR invalid cursor\r\n'],
      ['SCAN 0 COUNT', '-ERR syntax error\r\n'],
      ['SCAN 0 COUNT x', '-ERR value is not an integer or out of range\r\n'],
      ['SCAN 0 COUNT 0', '-ERR syntax error\r\n'],
      ['SCAN 0 FOO 1', '-ERR syntax error\r\n'],
      ['SCAN 0', '*2\r\n$1\r\n0\r\n*0\r\n'],
      ['SCAN 18446744073709551615', '*2\r\n$1\r\n0\r\n*0\r\n'],
    ]));

  it('finds every key of every shard that the node leads, with any COUNT', () =>
    withClient(
      async (client) => {
        const names = Array.from({ length: 3000 }, (_, index) => `key:${index}`);
        for (const name of names) client.command('SET', name, 'x');
        await client.read(names.length * 5);
        for (const count of ['1', '10', '500', '100000']) {
          const found = await scanAll(client, 'COUNT', count);
          expect(new Set(found).size, `COUNT ${count}`).to.equal(names.length);
        }
        expect(await ask(client, 'DBSIZE')).to.equal(3000);
      },
      { shards: 16 },
    )).timeout(20_000);

  it('filters by pattern and type', () =>
    withClient(async (client) => {
      await client.expect(['MSET', '{t}a1', '1', '{t}a2', '2', '{t}b1', '3'], '+OK\r\n');
      expect(await scanAll(client, 'MATCH', '*a?')).to.have.members(['{t}a1', '{t}a2']);
      expect(await scanAll(client, 'TYPE', 'string', 'MATCH', '*b*')).to.deep.equal(['{t}b1']);
      expect(await scanAll(client, 'TYPE', 'list')).to.deep.equal([]);
    }));

  it('finds keys that stay while others come and go, over shards that move away', () =>
    withClient(
      async (client, { lead }) => {
        const stay = Array.from({ length: 500 }, (_, index) => `stay:${index}`);
        for (const name of stay) await client.expect(['SET', name, 'x'], '+OK\r\n');
        const found = new Set<string>();
        let cursor = '0';
        let round = 0;
        do {
          const [next, keys] = (await ask(client, 'SCAN', cursor, 'COUNT', '20')) as [
            string,
            string[],
          ];
          for (const key of keys) found.add(key);
          await client.expect(['SET', `new:${round}`, 'x'], '+OK\r\n');
          if (round > 2) await client.expect(['DEL', `new:${round - 3}`], ':1\r\n');
          round++;
          cursor = next;
        } while (cursor !== '0');
        expect([...found]).to.include.members(stay);
        // A cursor inside a shard that is led no more goes on with the next one.
        const [inside] = (await ask(client, 'SCAN', '0', 'COUNT', '1')) as [string];
        lead(0, false);
        const [, keys] = (await ask(client, 'SCAN', inside, 'COUNT', '5')) as [string, string[]];
        expect(keys.length).to.be.greaterThan(0);
        lead(0, true);
      },
      { shards: 4 },
    ));

  it('waits for a shard that does not serve yet, at most for a promise', () =>
    withClient(
      async (client, { engine, lead }) => {
        await client.expect(['SET', 'a', '1'], '+OK\r\n');
        const [shard] = [0, 1, 2, 3].filter((one) => engine.shardStatistics(one).keys > 0);
        if (shard === undefined) throw new Error('no key');
        engine.publish(shard, {
          role: 'leader',
          epoch: 1,
          generation: 1,
          readUntilMs: 0,
          writable: false,
        });
        expect(await ask(client, 'SCAN', '0')).to.be.instanceOf(Error);
        client.command('SCAN', '0');
        await new Promise(setImmediate);
        lead(shard, true);
        const second = await ask(client, 'PING');
        expect(second).to.deep.equal(['0', ['a']]);
      },
      { settings: { promiseMilliseconds: 200 } },
    ));
});
