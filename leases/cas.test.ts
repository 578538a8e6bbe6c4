import { ManualScheduler } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import fc from 'fast-check';
import { beforeEach, describe, it } from 'mocha';
import { CasTracker } from './cas.ts';
import { newShardLease } from './contract-tools.ts';
import { UNRESOLVED_MAX } from './limits.ts';
import { MemoryLeases } from './memory.ts';
import { leaseOf } from './raw.ts';
import type { Lease, LeaseChange, UpdateOutcome } from './store.ts';

const LOST_REPLY: UpdateOutcome = { kind: 'unresolved', message: 'no answer' };

describe('CasTracker', () => {
  let tracker: CasTracker<string>;
  beforeEach(() => {
    tracker = new CasTracker();
    tracker.observe(lease(5, '50'), tracker.beginRead());
  });

  const holder = (name: string): LeaseChange => ({ spec: { holderIdentity: name } });
  const inDoubt = (name: string) => {
    const sent = tracker.begin(name, holder(name));
    expect(tracker.answer(sent.id, LOST_REPLY).kind).to.equal('unresolved');
    return sent;
  };
  const settledBy = (learnt: ReturnType<typeof tracker.observe>) =>
    'settled' in learnt ? learnt.settled.map((one) => `${one.intent} ${one.verdict}`) : [];

  it('has the newest state; lower and equal revisions are nothing', () => {
    expect(tracker.observe(lease(4, '60'), 'cached')).to.deep.equal({ kind: 'nothing' });
    expect(tracker.observe(lease(5, '50'), tracker.beginRead()).kind).to.equal('nothing');
    expect(tracker.observe(lease(6, '61'), 'cached').kind).to.equal('newer');
    expect(tracker.revision).to.equal(6);
    expect(tracker.lease?.resourceVersion).to.equal('61');
  });

  it('is won by its answer', () => {
    const sent = tracker.begin('a', holder('a'));
    const learnt = tracker.answer(sent.id, { kind: 'won', lease: lease(6, '51', 'a') });
    expect(settledBy(learnt)).to.deep.equal(['a won']);
    expect(tracker.revision).to.equal(6);
    expect(tracker.unresolved).to.deep.equal([]);
  });

  it('is lost by a refusal, and nothing else is learnt', () => {
    const sent = tracker.begin('a', holder('a'));
    const refusal = { kind: 'refused', reason: 'Forbidden', message: '403' } as const;
    const learnt = tracker.answer(sent.id, refusal);
    expect(learnt.kind).to.equal('refused');
    expect(settledBy(learnt)).to.deep.equal(['a lost']);
    expect(tracker.revision).to.equal(5);
  });

  it('stays unresolved however often the same version is read', () => {
    inDoubt('a');
    for (const read of [tracker.beginRead(), 'cached', tracker.beginRead()] as const) {
      expect(tracker.observe(lease(5, '50'), read)).to.deep.equal({ kind: 'nothing' });
      expect(tracker.unresolved.length).to.equal(1);
    }
  });

  it('is resolved by the next revision: won if that is what it would make', () => {
    inDoubt('a');
    inDoubt('b');
    const learnt = tracker.observe(lease(6, '51', 'b'), 'cached');
    expect(settledBy(learnt)).to.deep.equal(['a overtaken', 'b won']);
  });

  it('is never found won in what another wrote, not even a change of nothing', () => {
    const sent = tracker.begin('nothing', {});
    tracker.answer(sent.id, LOST_REPLY);
    const learnt = tracker.observe(lease(6, '51', 'another'), 'cached');
    expect(settledBy(learnt)).to.deep.equal(['nothing overtaken']);
  });

  it('is overtaken where the revision went further: the state alone counts', () => {
    inDoubt('a');
    expect(settledBy(tracker.observe(lease(8, '55', 'c'), 'cached'))).to.deep.equal([
      'a overtaken',
    ]);
  });

  it('is lost when another is won on the same version', () => {
    inDoubt('a');
    const retry = tracker.begin('retry', {});
    const learnt = tracker.answer(retry.id, { kind: 'won', lease: lease(6, '51') });
    expect(settledBy(learnt)).to.deep.equal(['a lost', 'retry won']);
  });

  it('takes effect late: unresolved until then, won by what the watch tells', () => {
    inDoubt('a');
    tracker.observe(lease(5, '50'), tracker.beginRead());
    expect(settledBy(tracker.observe(lease(6, '58', 'a'), 'cached'))).to.deep.equal(['a won']);
  });

  it('does not mind an answer that comes after it was settled', () => {
    const sent = tracker.begin('a', holder('a'));
    tracker.observe(lease(6, '51', 'a'), 'cached');
    expect(tracker.answer(sent.id, LOST_REPLY)).to.deep.equal({ kind: 'nothing' });
    const late = tracker.answer(sent.id, { kind: 'won', lease: lease(6, '51', 'a') });
    expect(late).to.deep.equal({ kind: 'nothing' });
  });

  it('is lost where a quorum read shows the revision under another version (a hand edit)', () => {
    inDoubt('a');
    expect(tracker.observe(lease(5, '59'), 'cached')).to.deep.equal({ kind: 'nothing' });
    const learnt = tracker.observe(lease(5, '59'), tracker.beginRead());
    expect(settledBy(learnt)).to.deep.equal(['a lost']);
    expect(tracker.lease?.resourceVersion).to.equal('59');
  });

  it('is not resolved so by a quorum read begun before it was sent', () => {
    const read = tracker.beginRead();
    inDoubt('a');
    expect(settledBy(tracker.observe(lease(5, '49'), read))).to.deep.equal([]);
    expect(tracker.unresolved.length).to.equal(1);
  });

  it('suspects a cache that shows no Lease or another, believes a quorum read', () => {
    inDoubt('a');
    const other = lease(1, '70', undefined, 'another');
    expect(tracker.observe(undefined, 'cached').kind).to.equal('suspect');
    expect(tracker.observe(other, 'cached').kind).to.equal('suspect');
    expect(tracker.unresolved.length).to.equal(1);
    const learnt = tracker.observe(other, tracker.beginRead());
    expect(learnt.kind).to.equal('replaced');
    expect(settledBy(learnt)).to.deep.equal(['a overtaken']);
    expect(tracker.revision).to.equal(5);
    tracker.reset();
    expect(tracker.observe(other, 'cached').kind).to.equal('newer');
  });

  it('counts a revision that its sender chose', () => {
    const sent = tracker.begin('a', { annotations: { [ANNOTATION.revision]: '9' } });
    tracker.answer(sent.id, LOST_REPLY);
    expect(settledBy(tracker.observe(lease(9, '51'), 'cached'))).to.deep.equal(['a won']);
  });

  it('lets none begin before a state is known, nor too many', () => {
    expect(() => new CasTracker().begin('a', {})).to.throw('no compare-and-set may begin now');
    for (let one = 0; one < UNRESOLVED_MAX; one++) inDoubt('a');
    expect(tracker.mayBegin).to.equal(false);
    expect(() => tracker.begin('a', {})).to.throw('no compare-and-set may begin now');
  });

  it('never says won of what lost, nor lost of what won, whatever goes wrong', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 7 })), async (choices) => {
        await runAgainstMemory(() => choices.next().value);
      }),
      { numRuns: 100 },
    );
  });
});

/** Two senders on one Lease, replies lost and requests late; verdicts are held against the store. */
async function runAgainstMemory(choose: () => number): Promise<void> {
  const scheduler = new ManualScheduler();
  const memory = new MemoryLeases({ scheduler });
  memory.setFault(({ verb }) => {
    const choice = verb === 'update' ? choose() : 0;
    if (choice === 1) return { lose: 'reply' };
    if (choice === 2) return { requestDelayMs: 5 + choose() * 15 };
    if (choice === 3) return { lose: 'request' };
    return choice === 4 ? { replyDelayMs: 15 } : {};
  });
  const stored = new Set<string>();
  memory.objects.onChange(({ after }) => {
    if (after?.spec.holderIdentity !== undefined) stored.add(after.spec.holderIdentity);
  });
  const name = 'demo-shard-0';
  await memory.client('admin').create(newShardLease(name));
  const verdicts = new Map<string, string>();
  const senders = ['a', 'b'].map((client) => {
    const tracker = new CasTracker<string>();
    const store = memory.client(client);
    let count = 0;
    const note = (learnt: ReturnType<typeof tracker.observe>) => {
      if (!('settled' in learnt)) return;
      for (const { intent, verdict } of learnt.settled) verdicts.set(intent, verdict);
    };
    return {
      async read() {
        const token = tracker.beginRead();
        note(tracker.observe(await store.get(name), token));
      },
      send() {
        const base = tracker.lease;
        if (base === undefined || !tracker.mayBegin) return;
        const intent = `${client}${++count}`;
        const change = { spec: { holderIdentity: intent } };
        const { id } = tracker.begin(intent, change);
        const update = store.update(base, change, { timeoutMs: 20 });
        void update.then((outcome) => note(tracker.answer(id, outcome)));
      },
    };
  });
  for (let step = 0; step < 25; step++) {
    const sender = senders[choose() % 2];
    if (choose() < 4) await sender?.read();
    else sender?.send();
    if (choose() < 3) await scheduler.advance(choose() * 4);
  }
  await scheduler.advance(1_000);
  for (const [intent, verdict] of verdicts) {
    if (verdict === 'won') expect(stored, `${intent} won`).to.include(intent);
    if (verdict === 'lost') expect(stored, `${intent} lost`).not.to.include(intent);
  }
}

function lease(revision: number, version: string, holderIdentity?: string, uid = 'one'): Lease {
  return leaseOf({
    metadata: {
      name: 'demo-shard-0',
      uid,
      resourceVersion: version,
      annotations: { [ANNOTATION.revision]: String(revision) },
    },
    spec: holderIdentity === undefined ? {} : { holderIdentity },
  });
}
