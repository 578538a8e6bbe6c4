import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { LeaseStoreError, type LeaseStoreErrorCode } from '@r-db/leases/errors.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { limits } from './limits.ts';
import { type StoreAnswer, StoreProbe } from './store-probe.ts';

/** Reads that hang until they are answered by hand, each under its number. */
function fixture() {
  const scheduler = new ManualScheduler();
  const sentAtMs: number[] = [];
  const reads: PromiseWithResolvers<undefined>[] = [];
  const returns: number[] = [];
  const probe = new StoreProbe({
    scheduler,
    read: () => {
      sentAtMs.push(scheduler.nowMs());
      const read = Promise.withResolvers<undefined>();
      reads.push(read);
      return read.promise;
    },
    onReturn: () => returns.push(scheduler.nowMs()),
  });
  const heard: string[] = [];
  const ask = (who: string) =>
    void probe.ask().then((answer) => heard.push(`${who} ${nameOf(answer)}`));
  const answer = async (number: number) => {
    reads[number]?.resolve(undefined);
    await scheduler.advance(0);
  };
  const fail = async (number: number, code: LeaseStoreErrorCode) => {
    reads[number]?.reject(new LeaseStoreError(code, code));
    await scheduler.advance(0);
  };
  return { scheduler, probe, sentAtMs, returns, heard, ask, answer, fail };
}

const nameOf = (answer: StoreAnswer) =>
  answer.kind === 'reached' ? 'reached' : answer.forbidden ? 'forbidden' : 'failed';

const { gatherReadsMs, requestsInFlightFirst, storeReadFirstMs, storeReadMostMs, storeProbeMs } =
  limits;

describe('store probe', () => {
  it('answers all that ask within a moment by one read', async () => {
    const { scheduler, sentAtMs, heard, ask, answer, fail } = fixture();
    for (const who of ['a', 'b']) ask(who);
    expect(sentAtMs, 'before all could ask').to.deep.equal([]);
    await scheduler.advance(gatherReadsMs);
    expect(sentAtMs, 'with one for the connection of the other').to.have.length(2);
    await fail(0, 'Unavailable');
    expect(heard, 'the other one counts for nothing').to.deep.equal(['a failed', 'b failed']);
    await answer(1);
    ask('c');
    await scheduler.advance(storeProbeMs);
    await answer(2);
    expect(heard.slice(2)).to.deep.equal(['c reached']);
    await scheduler.advance(60_000);
    expect(sentAtMs, 'nobody asks').to.have.length(3);
  });

  it('opens connections for the first of many that ask, once', async () => {
    const { scheduler, sentAtMs, ask } = fixture();
    for (let who = 0; who < 64; who++) ask(`${who}`);
    await scheduler.advance(gatherReadsMs);
    expect(sentAtMs).to.have.length(requestsInFlightFirst);
    await scheduler.advance(storeReadFirstMs);
    expect(sentAtMs, 'no answer came: one more').to.have.length(requestsInFlightFirst + 1);
  });

  it('answers nobody by a read that was sent before', async () => {
    const { scheduler, heard, ask, answer } = fixture();
    ask('a');
    await scheduler.advance(gatherReadsMs);
    ask('b');
    await answer(0);
    expect(heard).to.deep.equal(['a reached']);
    await scheduler.advance(gatherReadsMs);
    await answer(1);
    expect(heard).to.deep.equal(['a reached', 'b reached']);
  });

  it('sends another one where no answer comes: the connection may be dead', async () => {
    const { scheduler, probe, sentAtMs, heard, ask, answer } = fixture();
    ask('a');
    await scheduler.advance(gatherReadsMs + storeReadFirstMs);
    expect(sentAtMs).to.have.length(2);
    await answer(1);
    expect(heard).to.deep.equal(['a reached']);
    expect(probe.away).to.equal(false);
  });

  it('takes a no for an answer', async () => {
    const { scheduler, probe, heard, ask, fail } = fixture();
    const codes: readonly LeaseStoreErrorCode[] = ['Forbidden', 'Malformed', 'TooManyRequests'];
    for (const [number, code] of codes.entries()) {
      ask(code);
      await scheduler.advance(gatherReadsMs);
      await fail(number, code);
    }
    const said = ['Forbidden forbidden', 'Malformed reached', 'TooManyRequests reached'];
    expect(heard).to.deep.equal(said);
    expect(probe.away).to.equal(false);
  });

  it('looks for its return once a request went unanswered, and tells it once', async () => {
    const { scheduler, probe, sentAtMs, returns, answer } = fixture();
    probe.heard(true);
    probe.heard(false);
    expect(probe.away).to.equal(true);
    await scheduler.advance(gatherReadsMs);
    expect(sentAtMs, 'at once: the store may be well').to.have.length(1);
    await answer(0);
    expect(probe.away).to.equal(false);
    probe.heard(true);
    expect(returns).to.deep.equal([gatherReadsMs]);
    await scheduler.advance(60_000);
    expect(sentAtMs).to.have.length(1);
  });

  it('is told by any request that it is back', async () => {
    const { probe, returns } = fixture();
    probe.heard(false);
    probe.heard(true);
    expect([probe.away, returns.length]).to.deep.equal([false, 1]);
  });

  it('tries at a short pace while it is refused at once', async () => {
    const { scheduler, probe, sentAtMs, heard, ask, answer, fail } = fixture();
    probe.heard(false);
    await scheduler.advance(gatherReadsMs);
    for (let number = 0; number < 9; number++) {
      if (number === 5) ask('a');
      await fail(number, 'Unreachable');
      await scheduler.advance(storeProbeMs);
    }
    expect(sentAtMs).to.have.length(10);
    // Asked while one was out, whose failure tells nothing of now: that of the next does.
    expect(heard).to.deep.equal(['a failed']);
    await answer(9);
    expect(probe.away).to.equal(false);
  });

  it('has few out while it hangs, and never none', async () => {
    const { scheduler, probe, sentAtMs, heard, ask, answer, fail } = fixture();
    const timeoutMs = 5_000;
    probe.heard(false);
    ask('a');
    let failed = 0;
    const out = () => sentAtMs.length - failed;
    while (scheduler.nowMs() < 60_000) {
      await scheduler.advance(10);
      while ((sentAtMs[failed] ?? Number.POSITIVE_INFINITY) + timeoutMs <= scheduler.nowMs()) {
        await fail(failed++, 'Timeout');
      }
      expect(out()).to.be.within(1, limits.storeReadsInFlightMax);
      const pauseMs = scheduler.nowMs() - (sentAtMs.at(-1) ?? 0);
      expect(pauseMs, 'one waits for long').to.be.at.most(storeReadMostMs + 10);
    }
    expect(sentAtMs.length).to.be.below(3 + 60_000 / storeReadMostMs + 2);
    expect(heard, 'another may be answered').to.deep.equal([]);
    await answer(sentAtMs.length - 1);
    expect(heard).to.deep.equal(['a reached']);
    expect(probe.away).to.equal(false);
  });

  it('goes on after more hung than may be out', async () => {
    const { scheduler, probe, sentAtMs, fail } = fixture();
    probe.heard(false);
    await scheduler.advance(60_000);
    expect(sentAtMs).to.have.length(limits.storeReadsInFlightMax);
    await fail(0, 'Timeout');
    await scheduler.advance(storeProbeMs);
    expect(sentAtMs).to.have.length(limits.storeReadsInFlightMax + 1);
  });
});
