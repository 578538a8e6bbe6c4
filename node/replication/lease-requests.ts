/** The Lease of one shard: what the watch and the store say, as inputs of its core; and its writes. */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError, messageOf } from '@r-db/leases/errors.ts';
import { leaseOf } from '@r-db/leases/raw.ts';
import type { Lease, LeaseEvent, LeaseStore, UpdateOutcome } from '@r-db/leases/store.ts';
import { shardLeaseName } from '@r-db/proto/leases.ts';
import type { Effect, Input } from './core/io.ts';
import type { ShardLease } from './core/lease.ts';
import type { RequestGate } from './request-gate.ts';
import { type ClusterIdentity, changeOf, readShardLease } from './shard-lease.ts';
import { isAnswer, type StoreProbe } from './store-probe.ts';

export interface LeaseRequestsOptions {
  readonly shard: number;
  readonly identity: ClusterIdentity;
  readonly store: LeaseStore;
  readonly gate: RequestGate;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Of all shards of the node. */
  readonly storeProbe: Pick<StoreProbe, 'ask' | 'heard' | 'away'>;
  /** When this node last heard of the shard's leader, monotonic milliseconds; undefined: never. */
  readonly leaderHeardMs: () => number | undefined;
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
    const { scheduler, storeProbe } = this.#options;
    this.#learnedMs = scheduler.nowMs();
    // While the store is away this one waits for its return.
    if (orAny === true || storeProbe.away) {
      const answer = await storeProbe.ask();
      if (answer.kind === 'failed') {
        const { forbidden, message } = answer;
        return { kind: 'read-failed', request, forbidden, message };
      }
      if (orAny === true) return { kind: 'store-reached', request };
    }
    return await this.#get(request);
  }

  async #get(request: number): Promise<Input> {
    const { gate, store, storeProbe } = this.#options;
    const failed = (message: string, forbidden = false): Input => ({
      ...{ kind: 'read-failed', request, forbidden, message },
    });
    try {
      const lease = await gate.run(async () =>
        storeProbe.away ? 'not-sent' : await store.get(this.#name),
      );
      if (lease === 'not-sent') return failed(notSent);
      storeProbe.heard(true);
      if (lease === undefined) return { kind: 'read', request, lease: undefined };
      const reading = this.#read(lease, (readable) => ({ kind: 'read', request, lease: readable }));
      // The store did answer, but with nothing to follow: as if it had not.
      return reading.kind === 'unreadable' ? failed(reading.message) : reading;
    } catch (error) {
      const code = error instanceof LeaseStoreError ? error.code : 'Unavailable';
      storeProbe.heard(isAnswer(code));
      return failed(messageOf(error), code === 'Forbidden');
    }
  }

  async write(effect: Extract<Effect, { kind: 'write-lease' }>): Promise<Input> {
    const { request, base, edit } = effect;
    const { gate, store, scheduler, wallMs, leaderHeardMs, storeProbe } = this.#options;
    const stored = this.#stored.get(base);
    if (stored === undefined) throw new Error(`no stored Lease for version ${base.version}`);
    const learnedMs = effect.dueMs ?? this.#learnedMs ?? scheduler.nowMs();
    const detectionMs = Math.max(0, learnedMs - (leaderHeardMs() ?? learnedMs));
    const outcome = await gate.run(async (): Promise<UpdateOutcome | 'not-sent'> => {
      if (storeProbe.away) return 'not-sent';
      const promotionMs = scheduler.nowMs() - learnedMs;
      return await store.update(
        stored,
        changeOf(stored, edit, { nowMs: wallMs(), detectionMs, promotionMs }),
      );
    });
    if (outcome === 'not-sent') {
      return { kind: 'refused', request, reason: 'Unreachable', message: notSent };
    }
    storeProbe.heard(outcome.kind === 'won' || isAnswer(outcome.reason));
    if (outcome.kind === 'unresolved') {
      return { kind: 'unresolved', request, message: outcome.message };
    }
    if (outcome.kind === 'refused') return { ...outcome, request };
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

const notSent = 'the store does not answer: nothing was sent';

const wonUnreadable = 'the store answered a compare-and-set with another Lease than was sent';
