import { expect } from 'chai';
import { describe, it } from 'mocha';
import { formatReplicas, type NodeReplicas, parseReplicas } from './replicas.ts';

const incarnation = '0123456789abcdef';
const answer: NodeReplicas = {
  node: 'demo-0',
  incarnation,
  clusterId: 'uid-1',
  minInSyncReplicas: 2,
  replicas: [
    {
      shard: 3,
      leading: true,
      epoch: 7,
      generation: 2,
      lastEpoch: 6,
      lastSequence: 12,
      leaseLost: false,
      revision: 40,
      inSync: [{ node: 'demo-0', incarnation }],
    },
  ],
};

describe('what a node says of its replicas', () => {
  it('is read as it was written', () => {
    expect(parseReplicas(formatReplicas(answer))).to.deep.equal(answer);
  });

  it('is nothing where any of it is something else', () => {
    const text = formatReplicas(answer);
    for (const [part, other] of [
      ['"epoch":7', '"epoch":-7'],
      ['"epoch":7', '"epoch":1e99'],
      ['"leading":true', '"leading":1'],
      ['"leaseLost":false,', ''],
      [`demo-0/${incarnation}`, 'demo-0'],
      ['"node":"demo-0"', '"node":"Demo"'],
      ['"minInSyncReplicas":2,', ''],
      ['"replicas":[', '"replicas":{'],
    ] as const) {
      expect(text).to.contain(part);
      expect(parseReplicas(text.replace(part, other)), other).to.equal(undefined);
    }
    expect(parseReplicas('404')).to.equal(undefined);
  });
});
