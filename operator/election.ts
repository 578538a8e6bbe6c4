/**
 * One operator works, the others wait: whoever holds the Lease. Its time-outs are measured on the own
 * clock from when a change of the Lease was seen, never from what stands in it, so clocks need not agree.
 * Being leader is no fence (a paused process may not know that it lost): every write has a precondition.
 */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import type { Lease, LeaseAdmin } from '@r-db/leases/store.ts';
import { microTime } from '@r-db/proto/leases.ts';
import { limits } from './limits.ts';

export interface ElectionOptions {
  readonly store: LeaseAdmin;
  /** Of the Lease, in the operator's namespace. */
  readonly name: string;
  /** Another one for each process. */
  readonly identity: string;
  readonly scheduler: Scheduler;
  /** Wall clock, for what people read in the Lease. */
  nowMs(): number;
  /** Told once. */
  onElected(): void;
  /** Told once; the process must end, or at least stop writing. */
  onLost(reason: string): void;
  onError?(error: string): void;
}

export class Election {
  readonly #options: ElectionOptions;
  #seen: { readonly resourceVersion: string; readonly atMs: number } | undefined;
  #renewedMs: number | undefined;
  #held: Lease | undefined;
  #cancel = () => {};
  #stopped = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#renewedMs !== undefined && !this.#stopped;
  }

  start(): void {
    void this.#turn();
  }

  /** Gives the Lease up, so that the next one need not wait for its end. */
  async stop(): Promise<void> {
    const held = this.isLeader ? this.#held : undefined;
    this.#stopped = true;
    this.#cancel();
    if (held === undefined) return;
    const change = { spec: { holderIdentity: '', leaseDurationSeconds: 1 } };
    await this.#options.store.update(held, change);
  }

  async #turn(): Promise<void> {
    const { scheduler, onElected, onLost, onError } = this.#options;
    let problem: string | undefined;
    try {
      problem = await this.#tryToHold();
    } catch (error) {
      if (!(error instanceof LeaseStoreError)) throw error;
      problem = error.message;
    }
    if (this.#stopped) return;
    const nowMs = scheduler.nowMs();
    if (problem === undefined) {
      const first = this.#renewedMs === undefined;
      this.#renewedMs = nowMs;
      if (first) onElected();
    } else {
      onError?.(problem);
      if (
        this.#renewedMs !== undefined &&
        nowMs - this.#renewedMs >= limits.electionRenewDeadlineMs
      ) {
        this.#stopped = true;
        return onLost(problem);
      }
    }
    this.#cancel = scheduler.after(limits.electionRetryMs, () => void this.#turn());
  }

  /** Undefined: it is held from now on. Else why not. */
  async #tryToHold(): Promise<string | undefined> {
    const { store, name, identity, scheduler, nowMs } = this.#options;
    const deadline = { timeoutMs: limits.electionRetryMs };
    const lease = await store.get(name, deadline);
    const time = microTime(nowMs());
    const mine = {
      holderIdentity: identity,
      leaseDurationSeconds: limits.electionLeaseMs / 1000,
      renewTime: time,
    };
    if (lease === undefined) {
      const spec = { ...mine, acquireTime: time, leaseTransitions: 0 };
      this.#held = await store.create({ name, labels: {}, annotations: {}, spec }, deadline);
      return undefined;
    }
    const holder = lease.spec.holderIdentity ?? '';
    if (holder !== identity) {
      if (this.#renewedMs !== undefined) return `${holder} holds the Lease ${name} by now`;
      if (!this.#isOver(lease, holder, scheduler.nowMs()))
        return `${holder} holds the Lease ${name}`;
    }
    const transitions = (lease.spec.leaseTransitions ?? 0) + 1;
    const taken = { ...mine, acquireTime: time, leaseTransitions: transitions };
    const spec = holder === identity ? mine : taken;
    const outcome = await store.update(lease, { spec }, deadline);
    if (outcome.kind !== 'won') return outcome.message;
    this.#held = outcome.lease;
    return undefined;
  }

  #isOver(lease: Lease, holder: string, nowMs: number): boolean {
    if (this.#seen?.resourceVersion !== lease.resourceVersion) {
      this.#seen = { resourceVersion: lease.resourceVersion, atMs: nowMs };
    }
    const durationMs = (lease.spec.leaseDurationSeconds ?? 0) * 1000;
    return holder === '' || nowMs - this.#seen.atMs >= durationMs;
  }
}
