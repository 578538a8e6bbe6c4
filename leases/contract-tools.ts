/** What the contract tests share. */
import { ANNOTATION, leaseLabels, leaseSelector } from '@r-db/proto/leases.ts';
import type { LeaseEvent, NewLease } from './store.ts';

export const CLUSTER = 'contract';
export const SELECTOR = leaseSelector(CLUSTER, 'Shard');

export function newShardLease(name: string): NewLease {
  return {
    name,
    labels: leaseLabels(CLUSTER, 'Shard'),
    annotations: {
      [ANNOTATION.assignment]: 'demo-0',
      [ANNOTATION.inSync]: '',
      [ANNOTATION.generation]: '1',
      [ANNOTATION.revision]: '1',
    },
    spec: { leaseTransitions: 0, acquireTime: '2026-11-23T12:00:00.123456Z' },
  };
}

/** Collects the events of a watch; tests await what they expect. */
export class EventLog {
  readonly all: LeaseEvent[] = [];
  #waiters: (() => void)[] = [];

  readonly push = (event: LeaseEvent): void => {
    this.all.push(event);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  };

  /** Resolves to the first event, past or to come, for which the condition holds. */
  async until(condition: (event: LeaseEvent) => boolean): Promise<LeaseEvent> {
    for (;;) {
      const found = this.all.find(condition);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Versions told as `put` of one Lease, in order. */
  versionsOf(name: string): string[] {
    return this.all
      .filter(({ kind, lease }) => kind === 'put' && lease.name === name)
      .map(({ lease }) => lease.resourceVersion);
  }

  /** `put <uid>` and `deleted <uid>` of one Lease, in order. */
  summary(name: string): string[] {
    return this.all
      .filter(({ lease }) => lease.name === name)
      .map(({ kind, lease }) => `${kind} ${lease.uid}`);
  }
}
