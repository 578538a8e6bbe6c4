/** The part of the contract that needs faults: lost replies, late effects, stale reads, gaps. */
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { beforeEach, describe, it } from 'mocha';
import type { ContractStore } from './contract.ts';
import { EventLog, newShardLease, SELECTOR } from './contract-tools.ts';
import type { Lease, LeaseAdmin, UpdateOutcome } from './store.ts';

export type FaultOrder =
  /** Takes effect; the answer never comes. */
  | 'lose-reply'
  /** Reaches the server only when released; the caller has given up by then. */
  | 'delay-request'
  /** Takes effect and is answered 500. */
  | 'applied-500'
  /** Answered so, without effect. */
  | 403
  | 409
  | 422
  | 429
  | 500;

export interface OrderedFault {
  /** The request that has the fault has been sent. */
  readonly struck: Promise<void>;
  /** Lets the caller's deadline pass. */
  expire(): Promise<void>;
  /** Lets a delayed request arrive; resolves when it has had its effect, or none. */
  release(): Promise<void>;
}

export interface ContractFaults {
  /** For the next update through the store under test. */
  nextUpdate(order: FaultOrder): OrderedFault;
  /** From now on lists tell the state of so many changes ago. */
  staleLists(changes: number): void;
  /** Cuts watches off; `heal` lets them come back. */
  cutWatches(): Promise<{ heal(): Promise<void> }>;
}

/** Of an update that is expected to time out. Real time in some stores: short. */
const SHORT = { timeoutMs: 60 };

export function describeFaults(context: () => ContractStore, prefix: string): void {
  describe('with faults', () => {
    const name = `${prefix}-shard-faults`;
    let store: LeaseAdmin;
    let other: LeaseAdmin;
    let faults: ContractFaults;
    let lease: Lease;

    beforeEach(async () => {
      const { store: under, other: direct, faults: orders } = context();
      if (orders === undefined) throw new Error('makeStore gave no faults');
      store = under;
      other = direct;
      faults = orders;
      lease = await other.create(newShardLease(name));
    });

    const take = { spec: { holderIdentity: 'demo-0/0123456789abcdef', leaseTransitions: 1 } };

    async function expired(order: FaultOrder): Promise<[UpdateOutcome, OrderedFault]> {
      const fault = faults.nextUpdate(order);
      const update = store.update(lease, take, SHORT);
      await fault.struck;
      await fault.expire();
      return [await update, fault];
    }

    it('leaves an update unresolved whose reply is lost; a read shows that it was won', async () => {
      const [outcome] = await expired('lose-reply');
      expect(outcome.kind).to.equal('unresolved');
      const read = await store.get(name);
      expect(read?.annotations[ANNOTATION.revision]).to.equal('2');
      expect(read?.spec.holderIdentity).to.equal(take.spec.holderIdentity);
    });

    it('lets an update take effect after its caller gave up and read the old version', async () => {
      const [outcome, fault] = await expired('delay-request');
      expect(outcome.kind).to.equal('unresolved');
      expect(await store.get(name)).to.deep.equal(lease);
      await fault.release();
      const read = await store.get(name);
      expect(read?.annotations[ANNOTATION.revision]).to.equal('2');
      expect(read?.spec.holderIdentity).to.equal(take.spec.holderIdentity);
    });

    it('lets no late update take effect once another was won on its version', async () => {
      const [, fault] = await expired('delay-request');
      const outcome = await store.update(lease, {});
      expect(outcome.kind).to.equal('won');
      await fault.release();
      const read = await store.get(name);
      expect({ kind: 'won', lease: read }).to.deep.equal(outcome);
    });

    for (const [code, reason] of [
      [403, 'Forbidden'],
      [422, 'Invalid'],
      [429, 'TooManyRequests'],
    ] as const) {
      it(`says that an update answered ${code} was refused`, async () => {
        faults.nextUpdate(code);
        const outcome = await store.update(lease, take);
        expect(outcome).to.include({ kind: 'refused', reason });
        expect(await store.get(name)).to.deep.equal(lease);
      });
    }

    for (const code of [409, 500] as const) {
      it(`leaves an update answered ${code} unresolved`, async () => {
        faults.nextUpdate(code);
        expect((await store.update(lease, take)).kind).to.equal('unresolved');
        expect(await store.get(name)).to.deep.equal(lease);
      });
    }

    it('leaves an update unresolved that took effect and was answered 500', async () => {
      faults.nextUpdate('applied-500');
      expect((await store.update(lease, take)).kind).to.equal('unresolved');
      expect((await store.get(name))?.annotations[ANNOTATION.revision]).to.equal('2');
    });

    it('may list an old state, but never gets one', async () => {
      await other.update(lease, take);
      faults.staleLists(1);
      const listed = await store.list(SELECTOR);
      expect(listed.map(({ resourceVersion }) => resourceVersion)).to.deep.equal([
        lease.resourceVersion,
      ]);
      expect((await store.get(name))?.annotations[ANNOTATION.revision]).to.equal('2');
    });

    it('heals a watch: tells what changed, went and came anew during the gap', async () => {
      const gone = await other.create(newShardLease(`${name}-gone`));
      const replaced = await other.create(newShardLease(`${name}-replaced`));
      const events = new EventLog();
      await using watch = store.watch(SELECTOR, events.push);
      await watch.ready;
      const cut = await faults.cutWatches();
      await other.update(lease, take);
      await other.delete(gone.name, gone.uid);
      await other.delete(replaced.name, replaced.uid);
      const young = await other.create(newShardLease(replaced.name));
      const newcomer = await other.create(newShardLease(`${name}-new`));
      await cut.heal();
      await events.until((told) => told.lease.uid === newcomer.uid);
      await events.until((told) => told.lease.uid === young.uid);
      await events.until((told) => told.lease.annotations[ANNOTATION.revision] === '2');
      await events.until((told) => told.kind === 'deleted' && told.lease.uid === gone.uid);
      expect(events.summary(replaced.name)).to.deep.equal([
        `put ${replaced.uid}`,
        `deleted ${replaced.uid}`,
        `put ${young.uid}`,
      ]);
      expect(events.summary(gone.name)).to.deep.equal([`put ${gone.uid}`, `deleted ${gone.uid}`]);
      expect(watch.ageMs()).to.be.within(0, 60_000);
    });
  });
}
