/**
 * Where nodes are reached. Node Leases are not watched (each is written every 20 s, by every node):
 * they are listed at the start, and again while a node that is asked for is unknown.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { messageOf } from '@r-db/leases/errors.ts';
import type { Lease, LeaseStore } from '@r-db/leases/store.ts';
import {
  leaseSelector,
  type Member,
  type NodeLeaseContent,
  nodeOfLeaseName,
  parseNodeLease,
} from '@r-db/proto/leases.ts';
import { type ClusterIdentity, strangeness } from '../replication/shard-lease.ts';
import { limits } from './limits.ts';
import type { Log } from './log.ts';

export interface NodesOptions {
  readonly store: LeaseStore;
  readonly identity: ClusterIdentity;
  readonly scheduler: Scheduler;
  readonly log: Log;
  /** Some node's Lease says something new. */
  readonly onChange: () => void;
  /** A Lease that can't be read or isn't the cluster's. */
  readonly onIgnored: (message: string) => void;
}

export class Nodes implements Disposable {
  readonly #options: NodesOptions;
  readonly #known = new Map<string, NodeLeaseContent>();
  /** Incarnations that shards name and no node Lease has shown yet. */
  readonly #wanted = new Map<string, string>();
  #waitMs: number = limits.nodesFirstMs;
  #cancel: (() => void) | undefined;
  #listing = false;
  #closed = false;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  /** By name. */
  get known(): ReadonlyMap<string, NodeLeaseContent> {
    return this.#known;
  }

  /** Lists the nodes, and goes on until all are known. */
  start(): void {
    void this.#list();
  }

  /** A shard's Lease names this member: its node is looked up unless it is known. */
  want({ node, incarnation }: Member): void {
    if (this.#known.get(node)?.member?.incarnation === incarnation) return;
    if (this.#wanted.get(node) === incarnation) return;
    this.#wanted.set(node, incarnation);
    this.#waitMs = limits.nodesFirstMs;
    this.#again(0);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #list(): Promise<void> {
    if (this.#listing) return;
    this.#listing = true;
    const { store, identity, log } = this.#options;
    let failed = false;
    try {
      this.#take(await store.list(leaseSelector(identity.cluster, 'Node')));
    } catch (error) {
      failed = true;
      log.warn({}, `node Leases can't be listed: ${messageOf(error)}`);
    }
    this.#listing = false;
    if (failed || this.#wanted.size > 0 || this.#someUnknown()) {
      this.#again(this.#waitMs);
      this.#waitMs = Math.min(this.#waitMs * 2, limits.nodesMostMs);
    }
  }

  #take(leases: readonly Lease[]): void {
    const { identity, onChange, onIgnored } = this.#options;
    const before = JSON.stringify([...this.#known]);
    const gone = new Set(this.#known.keys());
    for (const lease of leases) {
      const problem = strangeness(lease, identity, 'Node');
      const parsed = parseNodeLease(lease);
      const ordinal = nodeOfLeaseName(identity.cluster, lease.name);
      if (problem !== undefined || !parsed.ok || ordinal === undefined) {
        const reason = problem ?? (parsed.ok ? 'no name of a node Lease' : parsed.error.message);
        onIgnored(`Lease ${lease.name}: ${reason}`);
        continue;
      }
      const name = `${identity.cluster}-${ordinal}`;
      gone.delete(name);
      this.#learn(name, parsed.content);
    }
    for (const name of gone) this.#known.delete(name);
    if (JSON.stringify([...this.#known]) !== before) onChange();
  }

  #learn(name: string, content: NodeLeaseContent): void {
    const known = this.#known.get(name);
    if (known === undefined || content.revision >= known.revision) {
      // The time of renewal changes all the time and tells clients nothing.
      this.#known.set(name, { ...content, renewTimeMs: undefined });
    }
    // One look is enough where the addresses are known: they outlive restarts, and an incarnation that
    // a shard's Lease still names may never come back.
    if (content.addresses !== undefined) this.#wanted.delete(name);
  }

  #someUnknown(): boolean {
    return [...this.#known.values()].some(({ addresses }) => addresses === undefined);
  }

  #again(delayMs: number): void {
    if (this.#closed) return;
    this.#cancel?.();
    this.#cancel = this.#options.scheduler.after(delayMs, () => void this.#list());
  }
}
