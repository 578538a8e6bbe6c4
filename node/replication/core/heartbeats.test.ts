import { expect } from 'chai';
import { describe, it } from 'mocha';
import { LedTable, PeerHeartbeats } from './heartbeats.ts';
import { epoch, generation, incarnation } from './identity.ts';

const leads = (of: number) => ({ epoch: epoch(of), generation: generation(1) });
const grant = () => undefined;

function pair() {
  const table = new LedTable();
  const leader = new PeerHeartbeats({ peer: incarnation('demo-1/b'), table, promiseMs: 1_000 });
  const follower = new PeerHeartbeats({
    peer: incarnation('demo-0/a'),
    table: new LedTable(),
    promiseMs: 1_000,
  });
  return { table, leader, follower };
}

describe('heartbeats', () => {
  it('count a promise from their sending, less 5 % and 10 ms; the follower from receipt', () => {
    const { table, leader, follower } = pair();
    table.set(3, leads(2));
    const beat = leader.beat(100);
    if (beat === undefined) throw new Error('no heartbeat was due');
    const asked: number[] = [];
    const answer = follower.received(beat, 5_000, (_row, _from, untilMs) => {
      asked.push(untilMs);
      return undefined;
    });
    expect(asked).to.deep.equal([6_000]);
    if (answer === undefined) throw new Error('no answer');
    expect(leader.answered(answer, 900)).to.deep.equal([{ shard: 3, epoch: 2, untilMs: 1_040 }]);
  });

  it('give nothing to a leadership that began after they were sent', () => {
    const { table, leader, follower } = pair();
    table.set(3, leads(2));
    const beat = leader.beat(100);
    table.set(3, leads(4));
    const answer = beat && follower.received(beat, 0, grant);
    expect(answer && leader.answered(answer, 200)).to.deep.equal([]);
    // The new leadership asks at once, not after a fifth of the promise.
    expect(leader.dueMs).to.equal(Number.NEGATIVE_INFINITY);
  });

  it('carry what changed since the version that the peer named', () => {
    const { table, leader, follower } = pair();
    table.set(1, leads(1));
    table.set(2, leads(1));
    const first = leader.beat(0);
    expect(first?.led.map(({ shard }) => shard)).to.deep.equal([1, 2]);
    const answer = first && follower.received(first, 0, grant);
    if (answer) leader.answered(answer, 1);
    table.set(2, undefined);
    const second = leader.beat(1);
    expect(second?.led).to.deep.equal([{ shard: 2, epoch: 0, generation: 1 }]);
    const asked: number[] = [];
    if (second) {
      follower.received(second, 2, ({ shard }) => {
        asked.push(shard);
        return undefined;
      });
    }
    expect(asked).to.deep.equal([1]);
  });

  it('are ignored when they come late, and refused shards get no promise', () => {
    const { table, leader, follower } = pair();
    table.set(1, leads(1));
    const old = leader.beat(0);
    const beat = leader.beat(200);
    const answer = beat && follower.received(beat, 0, () => ({ epoch: epoch(9), reason: 'epoch' }));
    expect(old && follower.received(old, 1, grant)).to.equal(undefined);
    expect(answer?.refused).to.deep.equal([{ shard: 1, epoch: 9, reason: 'epoch' }]);
    expect(answer && leader.answered(answer, 300)).to.deep.equal([]);
  });

  it('echo the mark of an answer beside what was committed under all promises', () => {
    const { table, leader, follower } = pair();
    table.set(1, leads(1));
    table.set(2, leads(1));
    const committedOf = (shard: number) => (shard === 1 ? 7 : undefined);
    const first = leader.beat(100, committedOf);
    expect(first?.committed, 'no mark was seen yet').to.equal(undefined);
    const answer = first && follower.received(first, 5_000.7, grant);
    if (answer) leader.answered(answer, 110);
    const second = leader.beat(300, committedOf);
    if (second === undefined) throw new Error('no heartbeat was due');
    follower.received(second, 5_200, grant);
    expect(follower.freshness(second)).to.deep.equal([
      { shard: 1, generation: 1, committed: 7, asOfMs: 5_000 },
    ]);
  });

  it('ask for another length from the next one on, at once', () => {
    const { leader } = pair();
    leader.beat(0);
    leader.promiseMs = 500;
    expect(leader.beat(10)?.promiseMs).to.equal(500);
    expect(leader.dueMs).to.equal(110);
  });
});
