import { expect } from 'chai';
import { describe, it } from 'mocha';
import { costs } from './costs.ts';

describe('requests to the API server', function () {
  this.timeout(60_000);

  it('are none at rest, and one write for each shard that a failure touches', () => {
    const phases = costs({ nodes: 8, shards: 32, replicationFactor: 3, seed: 1 });
    const [, rest, failure, back] = phases;
    expect(rest).to.include({ name: 'at rest', reads: 0, writes: 0 });
    expect(failure?.name).to.equal('a node fails');
    expect(failure?.shards).to.be.above(0);
    expect(failure?.writes).to.equal(failure?.shards);
    // A quorum read before each campaign.
    expect(failure?.reads).to.be.within(1, (failure?.shards ?? 0) / 2);
    expect(back).to.include({ reads: 0, writes: failure?.shards });
  });
});
