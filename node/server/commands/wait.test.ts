import { expect } from 'chai';
import { describe, it } from 'mocha';
import { readReply, withClient } from '../testing/commands.ts';
import { ownTopology } from '../testing/serve.ts';

describe('WAIT', () => {
  it('checks its arguments', () =>
    withClient(async (client) => {
      const notInteger = '-ERR value is not an integer or out of range\r\n';
      await client.expect(['WAIT', 'x', '0'], notInteger);
      await client.expect(['WAIT', '1', 'x'], '-ERR timeout is not an integer or out of range\r\n');
      await client.expect(['WAIT', '1', '-1'], '-ERR timeout is negative\r\n');
    }));

  it('answers at once where there are as many, after its time where there are not', () =>
    withClient(async (client) => {
      await client.expect(['WAIT', '0', '0'], ':0\r\n');
      await client.expect(['WAIT', '1', '5'], ':0\r\n');
    }));

  it('waits for replicas to come', () =>
    withClient(async (client, { topology, port }) => {
      client.command('WAIT', '2', '0');
      const alone = ownTopology(4, { host: '127.0.0.1', port }, 2);
      const inSync = ['demo-0', 'demo-1', 'demo-2'];
      topology.set({ ...alone, shards: alone.shards.map((shard) => ({ ...shard, inSync })) });
      expect(await readReply(client)).to.equal(2);
    }));
});
