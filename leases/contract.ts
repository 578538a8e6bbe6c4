/**
 * What every LeaseStore must do, as tests. Run against all of them: in memory, over a channel, on a
 * Kubernetes API (a fake one in unit tests, a real one in `e2e/`).
 */
import type { OwnerReference } from '@r-db/kubernetes/resources.ts';
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { ContractFaults } from './contract-faults.ts';
import { describeFaults } from './contract-faults.ts';
import { EventLog, newShardLease, SELECTOR } from './contract-tools.ts';
import { LeaseStoreError } from './errors.ts';
import type { Lease, LeaseAdmin } from './store.ts';

export type { ContractFaults, OrderedFault } from './contract-faults.ts';

/** A store under test. Disposing of it ends all that was started for it. */
export interface ContractStore extends AsyncDisposable {
  readonly store: LeaseAdmin;
  /** Another way to the same Leases, without faults. */
  readonly other: LeaseAdmin;
  /** Sends a raw object as an update, past the store. Resolves to what is stored then. */
  putRaw(raw: unknown): Promise<Lease>;
  /** Missing where faults can't be ordered: a real API server. */
  readonly faults?: ContractFaults;
  /** Owner of a Lease in one test. A real cluster's garbage collector wants one that exists, or deletes what it owns. */
  readonly owner?: OwnerReference;
}

export interface ContractOptions {
  /** Whether `makeStore` gives stores with faults. */
  readonly faults: boolean;
  /** Names of Leases begin so: several runs can share one namespace. */
  readonly prefix?: string;
}

const NOBODY = { apiVersion: 'v1', kind: 'ConfigMap', name: 'demo', uid: 'f00d' };

export function leaseStoreContract(
  name: string,
  makeStore: () => Promise<ContractStore>,
  { faults, prefix = 'demo' }: ContractOptions,
): void {
  describe(`LeaseStore: ${name}`, () => {
    let context: ContractStore;
    let store: LeaseAdmin;
    let tests = 0;
    /** A name that no other test uses. */
    let leaseName: string;

    beforeEach(async () => {
      context = await makeStore();
      store = context.store;
      leaseName = `${prefix}-shard-${tests++}`;
    });
    afterEach(async () => {
      for (const lease of await context.other.list(SELECTOR)) {
        await context.other.delete(lease.name, lease.uid);
      }
      await context[Symbol.asyncDispose]();
    });

    it('has nothing where nothing was created', async () => {
      expect(await store.get(leaseName)).to.equal(undefined);
    });

    it('returns a Lease as it was created', async () => {
      const created = await store.create(newShardLease(leaseName));
      expect(created.uid).not.to.equal('');
      expect(created.resourceVersion).not.to.equal('');
      const read = await store.get(leaseName);
      expect(read).to.deep.equal(created);
      const { labels, annotations, spec } = newShardLease(leaseName);
      expect(read).to.deep.include({ name: leaseName, labels, annotations, spec });
    });

    it('creates no Lease twice', async () => {
      const created = await store.create(newShardLease(leaseName));
      const error = await codeOf(store.create(newShardLease(leaseName)));
      expect(error).to.equal('AlreadyExists');
      expect(await store.get(leaseName)).to.deep.equal(created);
    });

    it('lists by labels', async () => {
      await store.create(newShardLease(`${leaseName}-a`));
      await store.create(newShardLease(`${leaseName}-b`));
      const node = newShardLease(`${leaseName}-c`);
      await store.create({ ...node, labels: { ...node.labels, 'rdb.dev/kind': 'Node' } });
      const names = (await store.list(SELECTOR)).map((lease) => lease.name);
      expect(names.sort()).to.deep.equal([`${leaseName}-a`, `${leaseName}-b`]);
    });

    it('changes what it is told and keeps the rest, fields it does not know included', async () => {
      const { owner = NOBODY } = context;
      const lease = await store.create({
        ...newShardLease(leaseName),
        ownerReferences: [owner],
        annotations: { ...newShardLease(leaseName).annotations, 'example.com/mine': 'kept' },
      });
      const outcome = await store.update(lease, {
        annotations: { [ANNOTATION.inSync]: 'demo-0/0123456789abcdef', 'rdb.dev/zone': null },
        spec: { holderIdentity: 'demo-0/0123456789abcdef', leaseTransitions: 1 },
      });
      const read = await store.get(leaseName);
      expect(outcome).to.deep.equal({ kind: 'won', lease: read });
      expect(read?.resourceVersion).not.to.equal(lease.resourceVersion);
      expect(read?.uid).to.equal(lease.uid);
      expect(read?.annotations).to.include({
        'example.com/mine': 'kept',
        [ANNOTATION.inSync]: 'demo-0/0123456789abcdef',
        [ANNOTATION.assignment]: 'demo-0',
      });
      expect(read?.spec).to.deep.include({
        holderIdentity: 'demo-0/0123456789abcdef',
        leaseTransitions: 1,
        acquireTime: '2026-11-23T12:00:00.123456Z',
      });
      expect(JSON.stringify(read?.raw)).to.contain(owner.uid);
    });

    it('removes an annotation that is set to null', async () => {
      const lease = await store.create(newShardLease(leaseName));
      await store.update(lease, { annotations: { [ANNOTATION.zone]: 'a' } });
      const read = await present(store, leaseName);
      expect(read.annotations).to.include({ [ANNOTATION.zone]: 'a' });
      await store.update(read, { annotations: { [ANNOTATION.zone]: null } });
      const { annotations } = await present(store, leaseName);
      expect(annotations).not.to.have.property(ANNOTATION.zone);
    });

    it('raises the revision with every update, so that none is identical', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const first = await won(store, lease);
      const second = await won(store, first);
      expect(first.annotations[ANNOTATION.revision]).to.equal('2');
      expect(second.annotations[ANNOTATION.revision]).to.equal('3');
      expect(new Set([lease, first, second].map((one) => one.resourceVersion)).size).to.equal(3);
    });

    it('takes a revision of the caller that is higher, never one that is not', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const higher = { annotations: { [ANNOTATION.revision]: '9' } };
      expect((await won(store, lease, higher)).annotations[ANNOTATION.revision]).to.equal('9');
      const read = await present(store, leaseName);
      const lower = { annotations: { [ANNOTATION.revision]: '3' } };
      expect((await won(store, read, lower)).annotations[ANNOTATION.revision]).to.equal('10');
    });

    it('stores no identical object: no new version, nothing to watch', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const events = new EventLog();
      await using watch = store.watch(SELECTOR, events.push);
      await watch.ready;
      expect(await context.putRaw(lease.raw)).to.deep.equal(lease);
      const changed = await won(store, lease);
      await events.until(({ lease: told }) => told.resourceVersion === changed.resourceVersion);
      expect(events.versionsOf(leaseName)).to.deep.equal([
        lease.resourceVersion,
        changed.resourceVersion,
      ]);
    });

    it('gives one winner to two updates of the same version', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const take = (node: string) => ({ spec: { holderIdentity: `${node}/0123456789abcdef` } });
      const outcomes = await Promise.all([
        store.update(lease, take('demo-0')),
        context.other.update(lease, take('demo-1')),
      ]);
      const kinds = outcomes.map((outcome) => outcome.kind);
      expect(kinds.sort()).to.deep.equal(['unresolved', 'won']);
      const winner = outcomes.find((outcome) => outcome.kind === 'won');
      expect(await store.get(leaseName)).to.deep.equal(winner?.lease);
    });

    it('does not change a Lease on an old version', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const current = await won(context.other, lease);
      const outcome = await store.update(lease, { spec: { leaseTransitions: 7 } });
      expect(outcome.kind).to.equal('unresolved');
      expect(await store.get(leaseName)).to.deep.equal(current);
    });

    it('refuses to update what does not exist', async () => {
      const lease = await store.create(newShardLease(leaseName));
      await store.delete(leaseName, lease.uid);
      const { kind } = await store.update(lease, {});
      // An API server that is told the UID answers 409, not 404: its sender has to read again.
      expect(kind).to.be.oneOf(['refused', 'unresolved']);
      expect(await store.get(leaseName)).to.equal(undefined);
    });

    it('never mistakes a Lease created anew for the old one', async () => {
      const old = await store.create(newShardLease(leaseName));
      await store.delete(leaseName, old.uid);
      const young = await store.create(newShardLease(leaseName));
      expect(young.uid).not.to.equal(old.uid);
      expect((await store.update(old, {})).kind).to.equal('unresolved');
      expect(await codeOf(store.delete(leaseName, old.uid))).to.equal('Conflict');
      expect(await store.get(leaseName)).to.deep.equal(young);
    });

    it('deletes once; deleting what is gone is no error', async () => {
      const lease = await store.create(newShardLease(leaseName));
      await store.delete(leaseName, lease.uid);
      await store.delete(leaseName, lease.uid);
      expect(await store.get(leaseName)).to.equal(undefined);
    });

    it('tells a watch what exists, then every change in order, then the end', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const events = new EventLog();
      await using watch = store.watch(SELECTOR, events.push);
      await watch.ready;
      expect(events.versionsOf(leaseName)).to.deep.equal([lease.resourceVersion]);
      const versions = [lease.resourceVersion];
      let current = lease;
      for (let update = 0; update < 5; update++) {
        current = await won(context.other, current);
        versions.push(current.resourceVersion);
      }
      await context.other.delete(leaseName, current.uid);
      await events.until(({ kind }) => kind === 'deleted');
      expect(events.versionsOf(leaseName)).to.deep.equal(versions);
      expect(watch.ageMs()).to.be.within(0, 60_000);
    });

    it('tells a watch of a Lease created anew: the old one deleted, then the new', async () => {
      const old = await store.create(newShardLease(leaseName));
      const events = new EventLog();
      await using watch = store.watch(SELECTOR, events.push);
      await watch.ready;
      await context.other.delete(leaseName, old.uid);
      const young = await context.other.create(newShardLease(leaseName));
      await events.until(({ lease }) => lease.uid === young.uid);
      expect(events.summary(leaseName)).to.deep.equal([
        `put ${old.uid}`,
        `deleted ${old.uid}`,
        `put ${young.uid}`,
      ]);
    });

    it('tells a watch only of its labels, and nothing once closed', async () => {
      const events = new EventLog();
      const watch = store.watch(SELECTOR, events.push);
      await watch.ready;
      const node = newShardLease(`${leaseName}-n`);
      const labels = { ...node.labels, 'rdb.dev/kind': 'Node' };
      const stranger = await context.other.create({ ...node, labels });
      const lease = await context.other.create(newShardLease(leaseName));
      await events.until(({ lease: told }) => told.name === leaseName);
      expect(events.versionsOf(stranger.name)).to.deep.equal([]);
      await watch[Symbol.asyncDispose]();
      const told = events.all.length;
      await won(context.other, lease);
      const later = new EventLog();
      await using second = store.watch(SELECTOR, later.push);
      await second.ready;
      expect(events.all.length).to.equal(told);
      await context.other.delete(stranger.name, stranger.uid);
    });

    it('calls off what its caller no longer wants', async () => {
      const lease = await store.create(newShardLease(leaseName));
      const signal = AbortSignal.abort();
      expect(await codeOf(store.get(leaseName, { signal }))).to.equal('Aborted');
      expect(await codeOf(store.list(SELECTOR, { signal }))).to.equal('Aborted');
      expect((await store.update(lease, {}, { signal })).kind).to.equal('unresolved');
    });

    if (faults) describeFaults(() => context, prefix);
  });
}

async function won(store: LeaseAdmin, lease: Lease, change = {}): Promise<Lease> {
  const outcome = await store.update(lease, change);
  if (outcome.kind === 'won') return outcome.lease;
  throw new Error(`update of ${lease.name} is ${outcome.kind}: ${outcome.message}`);
}

async function present(store: LeaseAdmin, name: string): Promise<Lease> {
  const lease = await store.get(name);
  if (lease === undefined) throw new Error(`${name} is missing`);
  return lease;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof LeaseStoreError ? error.code : `not a LeaseStoreError: ${error}`;
  }
}
