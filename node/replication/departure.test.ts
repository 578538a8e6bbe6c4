import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import { Departure } from './departure.ts';
import { limits } from './limits.ts';

class Shard {
  readonly shard: number;
  readonly core: { leading: object | undefined };
  isAsked = false;

  constructor(shard: number, leads: boolean) {
    this.shard = shard;
    this.core = { leading: leads ? {} : undefined };
  }

  shutdown(): void {
    this.isAsked = true;
  }
}

describe('a departure', () => {
  const most = limits.handOversAtOnce;
  let scheduler: ManualScheduler;
  let led: Shard[];
  let departure: Departure;
  let answering: PromiseWithResolvers<void>;
  let reads: number;

  const asked = () => led.filter(({ isAsked }) => isAsked).map(({ shard }) => shard);
  const firstOnes = (count: number) => Array.from({ length: count }, (_, shard) => shard);
  const handedOver = (shard: number) => {
    const one = led[shard] as Shard;
    one.core.leading = undefined;
    departure.changed(one);
  };

  beforeEach(() => {
    scheduler = new ManualScheduler();
    led = firstOnes(most + 2).map((shard) => new Shard(shard, true));
    answering = Promise.withResolvers();
    reads = 0;
    departure = depart(led);
  });

  const depart = (shards: readonly Shard[]): Departure =>
    new Departure(shards, {
      scheduler,
      storeAnswers: () => {
        reads++;
        return answering.promise;
      },
    });
  const storeAnswers = async (): Promise<void> => {
    answering.resolve();
    await answering.promise;
  };

  it('asks those at once that lead nothing, and of those that lead a few, once the store has answered', async () => {
    const followers = firstOnes(most + 1).map((shard) => new Shard(shard, false));
    depart(followers);
    expect(followers.every(({ isAsked }) => isAsked)).to.equal(true);
    expect(asked()).to.deep.equal([]);
    expect(reads).to.equal(1); // none for those that lead nothing
    await storeAnswers();
    expect(asked()).to.deep.equal(firstOnes(most));
  });

  it('asks the next one when one has handed over', async () => {
    await storeAnswers();
    departure.changed(led[1] as Shard); // something else of it changed
    expect(asked()).to.have.length(most);
    handedOver(1);
    expect(asked()).to.deep.equal(firstOnes(most + 1));
    departure.changed(led[1] as Shard);
    expect(asked()).to.have.length(most + 1);
  });

  it('goes on at once where there is nobody to hand over to', async () => {
    const alone = firstOnes(most * 2).map((shard) => new Shard(shard, true));
    for (const one of alone) {
      one.shutdown = () => {
        one.isAsked = true;
        one.core.leading = undefined;
      };
    }
    depart(alone);
    await storeAnswers();
    expect(alone.every(({ isAsked }) => isAsked)).to.equal(true);
  });

  it('does not wait long for one that finds nobody, if the store answers', async () => {
    await storeAnswers();
    await scheduler.advance(limits.handOverPatienceMs - 1);
    expect(asked()).to.have.length(most);
    await scheduler.advance(1);
    expect(asked()).to.have.length(most + 2);
    expect(reads).to.be.above(1);
  });

  it('begins no other while one takes the store too long, until that answers', async () => {
    await storeAnswers();
    answering = Promise.withResolvers();
    await scheduler.advance(limits.handOverPatienceMs);
    handedOver(1);
    await scheduler.advance(limits.handOverPatienceMs);
    expect(asked()).to.deep.equal(firstOnes(most));
    expect(reads).to.equal(2);
    await storeAnswers();
    expect(asked()).to.have.length(most + 2);
  });
});
