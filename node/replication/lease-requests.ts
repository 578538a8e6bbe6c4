/** The Lease of one shard: what the watch and the store say, as inputs of its core; and its writes. */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError, type LeaseStoreErrorCode, messageOf } from '@r-db/leases/errors.ts';
import { leaseOf } from '@r-db/leases/raw.ts';
import type { Lease, LeaseEvent, LeaseStore } from '@r-db/leases/store.ts';
import { shardLeaseName } from '@r-db/proto/leases.ts';
import type { Effect, Input } from './core/io.ts';
import type { ShardLease } from './core/lease.ts';
import { limits } from './limits.ts';
import type { RequestGate } from './request-gate.ts';
import { type ClusterIdentity, changeOf, readShardLease } from './shard-lease.ts';
import type { SharedReads } from './shared-reads.ts';

export interface LeaseRequestsOptions {
  readonly shard: number;
  readonly identity: ClusterIdentity;
  readonly store: LeaseStore;
  readonly gate: RequestGate;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Of all shards of the node. */
  readonly sharedReads: SharedReads<QuorumRead>;
  /** When this node last heard of the shard's leader, monotonic milliseconds; undefined: never. */
  readonly leaderHeardMs: () => number | undefined;
  /** After each request: whether the store said anything, be it no. */
  readonly onAnswered: (answered: boolean) => void;
}

export interface QuorumRead {
  readonly input: Input;
  /** The store answered as one that may be asked, be it with what nobody can read. */
  readonly found: boolean;
}

export class LeaseRequests {
  readonly #options: LeaseRequestsOptions;
  readonly #name: string;
  readonly #whole: ClusterIdentity & { readonly shard: number };
  /** The stored objects behind the core's Leases, for the compare-and-set. */
  readonly #stored = new WeakMap<ShardLease, Lease>();
  /** When the last read was sent: other edits than campaigns are made for what it told. */
  #learnedMs: number | undefined;

  constructor(options: LeaseRequestsOptions) {
    this.#options = options;
    this.#name = shardLeaseName(options.identity.cluster, options.shard);
    this.#whole = { ...options.identity, shard: options.shard };
  }

  observed(event: LeaseEvent): Input {
    if (event.kind === 'deleted') return { kind: 'deleted', uid: event.lease.uid };
    return this.#read(event.lease, (lease) => ({ kind: 'observed', lease }));
  }

  /** The stored object, for another node. */
  encode(lease: ShardLease): Uint8Array {
    return Buffer.from(JSON.stringify(this.#stored.get(lease)?.raw ?? null));
  }

  /** What `encode` wrote; undefined: no Lease of this shard. */
  decode(bytes: Uint8Array): ShardLease | undefined {
    let handed: ShardLease | undefined;
    try {
      const lease = leaseOf(JSON.parse(Buffer.from(bytes).toString()));
      this.#read(lease, (readable) => {
        handed = readable;
        return { kind: 'observed', lease: readable };
      });
    } catch (error) {
      if (!(error instanceof LeaseStoreError) && !(error instanceof SyntaxError)) throw error;
    }
    return handed;
  }

  async read({ request, orAny }: Extract<Effect, { kind: 'read-lease' }>): Promise<Input> {
    const { scheduler, sharedReads, onAnswered } = this.#options;
    this.#learnedMs = scheduler.nowMs();
    if (orAny !== true) return (await this.#get(request)).input;
    const answer = await sharedReads.ask(() => this.#get(request));
    if ('own' in answer) return answer.own.input;
    const { input, found } = answer.others;
    if (found || input.kind !== 'read-failed') return { kind: 'store-reached', request };
    onAnswered(input.forbidden);
    return { ...input, request };
  }

  /** Whether the store answers a quorum read now, and not too late, as one that may be asked or with a no. */
  async isAnswered(): Promise<boolean> {
    const { gate, store } = this.#options;
    try {
      await gate.run(() => store.get(this.#name, { timeoutMs: limits.storeAnswersMs }));
      return true;
    } catch (error) {
      return error instanceof LeaseStoreError && answers.has(error.code);
    }
  }

  async #get(request: number): Promise<QuorumRead> {
    const { gate, store, onAnswered } = this.#options;
    try {
      const lease = await gate.run(() => store.get(this.#name));
      onAnswered(true);
      if (lease === undefined) {
        return { input: { kind: 'read', request, lease: undefined }, found: true };
      }
      const reading = this.#read(lease, (readable) => ({ kind: 'read', request, lease: readable }));
      // The store did answer, but with nothing to follow: as if it had not.
      if (reading.kind !== 'unreadable') return { input: reading, found: true };
      const { message } = reading;
      return { input: { kind: 'read-failed', request, forbidden: false, message }, found: true };
    } catch (error) {
      const forbidden = error instanceof LeaseStoreError && error.code === 'Forbidden';
      onAnswered(forbidden);
      const message = messageOf(error);
      return { input: { kind: 'read-failed', request, forbidden, message }, found: false };
    }
  }

  async write(effect: Extract<Effect, { kind: 'write-lease' }>): Promise<Input> {
    const { request, base, edit } = effect;
    const { gate, store, scheduler, wallMs, leaderHeardMs, onAnswered } = this.#options;
    const stored = this.#stored.get(base);
    if (stored === undefined) throw new Error(`no stored Lease for version ${base.version}`);
    const learnedMs = effect.dueMs ?? this.#learnedMs ?? scheduler.nowMs();
    const detectionMs = Math.max(0, learnedMs - (leaderHeardMs() ?? learnedMs));
    const outcome = await gate.run(() => {
      const promotionMs = scheduler.nowMs() - learnedMs;
      return store.update(
        stored,
        changeOf(stored, edit, { nowMs: wallMs(), detectionMs, promotionMs }),
      );
    });
    onAnswered(outcome.kind !== 'unresolved');
    if (outcome.kind !== 'won') return { ...outcome, request };
    const won = this.#read(outcome.lease, (lease) => ({ kind: 'won', request, lease }));
    // Stored, and yet not what was sent: something stands between. A quorum read will tell.
    const readable = won.kind === 'won';
    return readable ? won : { kind: 'unresolved', request, message: wonUnreadable };
  }

  #read(lease: Lease, make: (lease: ShardLease) => Input): Input {
    const reading = readShardLease(lease, this.#whole);
    if (!reading.ok) return { kind: 'unreadable', message: reading.message };
    this.#stored.set(reading.lease, lease);
    return make(reading.lease);
  }
}

const answers: ReadonlySet<LeaseStoreErrorCode> = new Set(['Forbidden', 'NotFound', 'Malformed']);

const wonUnreadable = 'the store answered a compare-and-set with another Lease than was sent';
