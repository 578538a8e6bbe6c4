import type { ReplicaState } from '@r-db/proto/replicas.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type Holder, planRelink } from './relinks.ts';

const member = (name: string) => ({ node: `demo-${name}`, incarnation: `${name}`.repeat(16) });
const [a, b, c] = [member('a'), member('b'), member('c')];

function said(of: typeof a, state: Partial<ReplicaState>): Holder {
  const replica: ReplicaState = {
    shard: 0,
    leading: false,
    epoch: 7,
    generation: 1,
    lastEpoch: 7,
    lastSequence: 100,
    leaseLost: true,
    revision: 20,
    inSync: [a, b],
    ...state,
  };
  return { member: of, replica };
}

describe('a Lease that is made anew', () => {
  const seen = { epoch: 5, generation: 1, revision: 9, inSync: [a] };

  it('lets the leader go on with those of its set that answered', () => {
    const answers = [
      said(b, { lastSequence: 90 }),
      said(c, { lastSequence: 120 }),
      said(a, { leading: true }),
    ];
    const plan = planRelink({ answers, seen });
    expect(plan).to.deep.equal({
      epoch: 8,
      generation: 1,
      leader: a,
      inSync: [a, b],
      isLost: false,
    });
  });

  it('believes no leader of an epoch that another has seen the end of', () => {
    const answers = [
      said(a, { leading: true, lastEpoch: 7, lastSequence: 130 }),
      said(b, { epoch: 8, lastEpoch: 8, lastSequence: 101, revision: 21, inSync: [b] }),
    ];
    expect(planRelink({ answers, seen })).to.deep.include({ epoch: 9, inSync: [b] });
    expect(planRelink({ answers, seen }).leader).to.equal(undefined);
  });

  it('takes those that reach furthest where nobody leads, by epoch before sequence', () => {
    const inSync = [a, b, c];
    const answers = [
      said(a, { lastEpoch: 6, lastSequence: 200, inSync }),
      said(b, { inSync }),
      said(c, { inSync }),
    ];
    expect(planRelink({ answers, seen })).to.deep.include({ leader: undefined, inSync: [b, c] });
  });

  it('takes nobody from outside the last known set, however far its log reaches', () => {
    const answers = [said(a, {}), said(c, { lastSequence: 200 })];
    expect(planRelink({ answers, seen })).to.deep.include({ leader: undefined, inSync: [a] });
    const later = { ...seen, epoch: 7, revision: 21, inSync: [b] };
    expect(planRelink({ answers, seen: later })).to.deep.include({ isLost: true });
  });

  it('is a loss where none of the last set has a copy, whatever others have', () => {
    const answers = [
      said(a, { generation: 0, inSync: [member('d')], revision: 21 }),
      said(c, { inSync: [a, b], revision: 20 }),
    ];
    const plan = planRelink({ answers, seen });
    expect(plan).to.deep.equal({
      epoch: 8,
      generation: 2,
      leader: undefined,
      inSync: [],
      isLost: true,
    });
  });

  it('forgets copies of an older generation', () => {
    const answers = [said(a, { generation: 2 }), said(b, { lastSequence: 500 })];
    expect(planRelink({ answers, seen })).to.deep.include({ generation: 2, inSync: [a] });
  });

  it('is no loss where nobody ever led', () => {
    const nothing = { epoch: 0, generation: 0, lastEpoch: 0, lastSequence: 0, inSync: [] };
    const unused = { epoch: 0, generation: 1, revision: 1, inSync: [] };
    const plan = planRelink({ answers: [said(a, nothing)], seen: unused });
    expect(plan).to.deep.include({ generation: 1, isLost: false });
    expect(planRelink({ answers: [], seen: undefined })).to.deep.include({ isLost: true });
    expect(planRelink({ answers: [], seen: undefined }).epoch).to.be.above(1);
  });

  it('is above what the operator has seen, though nobody is left who knows', () => {
    const answers = [said(a, { generation: 0, epoch: 2, inSync: [] })];
    expect(planRelink({ answers, seen: { ...seen, epoch: 40, generation: 3 } })).to.deep.include({
      epoch: 41,
      generation: 4,
    });
  });
});
