import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Sweeper } from './sweeper.ts';
import { withClient } from './testing/commands.ts';

describe('sweeper', () => {
  it('removes expired keys that nobody asks for, of its own home shards only', () =>
    withClient(async (client, { engine, services }) => {
      for (let index = 0; index < 200; index++) {
        await client.expect(['SET', `key${index}`, 'x', 'PX', '1'], '+OK\r\n');
      }
      const keysOf = (shards: readonly number[]) =>
        shards.reduce((sum, shard) => sum + engine.shardStatistics(shard).keys, 0);
      const later = { ...services.clock, nowMs: () => Date.now() + 1000 };
      const elsewhere = keysOf([1, 3]);
      expect(elsewhere).to.be.greaterThan(0);
      const sweeper = new Sweeper({
        engine,
        batches: services.batches,
        clock: later,
        thread: 0,
        threads: 2,
      });
      while (keysOf([0, 2]) > 0) {
        sweeper.sweep();
        await new Promise(setImmediate);
      }
      sweeper.stop();
      expect(keysOf([1, 3])).to.equal(elsewhere);
      expect(engine.expiredKeys()).to.equal(200 - elsewhere);
    }));
});
