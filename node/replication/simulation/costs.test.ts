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
    // One quorum read before the campaigns, which all fall on one node.
    expect(failure?.reads).to.equal(1);
    expect(back).to.include({ reads: 0, writes: failure?.shards });
  });
});
