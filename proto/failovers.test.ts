import { expect } from 'chai';
import { describe, it } from 'mocha';
import { groupFailovers, type ShardFailover } from './failovers.ts';
import { FAILOVER_GAP_MS } from './limits.ts';

const at = (shard: number, ms: number, change: Partial<ShardFailover> = {}): ShardFailover => ({
  shard,
  node: 'demo-1',
  cause: 'LeaderLost',
  time: new Date(1_000_000 + ms).toISOString(),
  detectionMilliseconds: 900 + shard,
  promotionMilliseconds: 50 - shard,
  ...change,
});

describe('failovers', () => {
  it('are one where a node’s shards are taken over in short succession', () => {
    expect(groupFailovers([at(2, FAILOVER_GAP_MS), at(0, 0), at(1, 5)])).to.deep.equal([
      {
        node: 'demo-1',
        cause: 'LeaderLost',
        shards: [0, 1, 2],
        firstTime: at(0, 0).time,
        lastTime: at(2, FAILOVER_GAP_MS).time,
        detectionMilliseconds: 902,
        promotionMilliseconds: 50,
      },
    ]);
  });

  it('are several by node, by cause and where time passed between', () => {
    const groups = groupFailovers([
      at(3, FAILOVER_GAP_MS + 1),
      at(2, 2, { cause: 'ContainerRestarted' }),
      at(1, 1, { node: 'demo-0' }),
      at(0, 0),
    ]);
    expect(groups.map(({ shards }) => shards)).to.deep.equal([[0], [1], [2], [3]]);
  });
});
