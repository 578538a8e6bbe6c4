import { expect } from 'chai';
import { describe, it } from 'mocha';
import type { Gathered } from '../engine/types.ts';
import { Batches, type Outcome } from './batches.ts';

function fixture() {
  const gathered = {
    count: 0,
    shards: new Uint32Array(4),
    batches: new Uint32Array(4),
  } satisfies Gathered & { count: number };
  const told: number[] = [];
  const batches = new Batches({ engine: { gathered }, onGathered: (shard) => told.push(shard) });
  /** A call of the engine has written to these, and this is whom its replies wait for. */
  const wrote = (...pairs: readonly (readonly [shard: number, batch: number])[]) => {
    gathered.count = pairs.length;
    for (const [index, [shard, batch]] of pairs.entries()) {
      gathered.shards[index] = shard;
      gathered.batches[index] = batch;
    }
    const outcomes: Outcome[] = [];
    const held = batches.hold({ resolved: (outcome) => outcomes.push(outcome) });
    return { held, outcomes };
  };
  return { batches, told, wrote };
}

describe('batches that are out', () => {
  it('tell whoever waits for them, once for each', () => {
    const { batches, told, wrote } = fixture();
    const first = wrote([2, 1], [0, 7]);
    const second = wrote([2, 1]);
    expect([first.held, second.held]).to.deep.equal([2, 1]);
    expect(told).to.deep.equal([2, 0, 2]);
    batches.resolve(2, 1, 'committed');
    batches.resolve(2, 1, 'committed');
    batches.resolve(0, 7, 'not-taken');
    expect(first.outcomes).to.deep.equal(['committed', 'not-taken']);
    expect(second.outcomes).to.deep.equal(['committed']);
  });

  it('count once where a call wrote to two of a shard', () => {
    const { batches, wrote } = fixture();
    const { held, outcomes } = wrote([1, 4], [1, 5]);
    expect(held).to.equal(1);
    batches.resolve(1, 4, 'committed');
    expect(outcomes).to.deep.equal([]);
    batches.resolve(1, 5, 'committed');
    expect(outcomes).to.deep.equal(['committed']);
  });

  it('are of unknown fate once the shard is abandoned', () => {
    const { batches, wrote } = fixture();
    const { outcomes } = wrote([3, 1]);
    batches.abandon(3);
    batches.resolve(3, 1, 'committed');
    expect(outcomes).to.deep.equal(['unknown']);
  });

  it('are held in a shard below one that was abandoned before anything was written', () => {
    const { batches, wrote } = fixture();
    batches.abandon(3);
    const { held, outcomes } = wrote([1, 1]);
    expect(held).to.equal(1);
    batches.resolve(1, 1, 'committed');
    expect(outcomes).to.deep.equal(['committed']);
  });
});
