/**
 * The Lease of this node: says which incarnation runs, where it is reached, in which pod. It grants
 * nothing (shards are led by their own Leases); others find the node by it.
 *
 * The process that starts last under a name has the Lease: a StatefulSet runs one pod of a name at a time,
 * and where a pod was deleted by force the new one is wanted. An incarnation that loses its
 * Lease to a later one never takes it back.
 */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { messageOf } from '@r-db/leases/errors.ts';
import type { Lease, LeaseStore } from '@r-db/leases/store.ts';
import {
  formatNodeLease,
  type NodeLeaseContent,
  nodeLeaseName,
  parseNodeLease,
} from '@r-db/proto/leases.ts';
import { strangeness } from '../replication/shard-lease.ts';
import { limits } from './limits.ts';
import type { Log } from './log.ts';
import type { NodeIdentity } from './types.ts';

/** Written beside the known annotations: earlier starts of the pod in `rdb.dev/pod-uid`, last first. */
export const ENDED_ANNOTATION = 'rdb.dev/ended-incarnations';

export type NodeLeaseState =
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'held' }
  /** A later incarnation of the same name has it. */
  | { readonly kind: 'superseded'; readonly by: string };

export const nodeLeaseStates = [
  'waiting',
  'held',
  'superseded',
] as const satisfies readonly NodeLeaseState['kind'][];

export interface NodeLeaseOptions {
  readonly store: LeaseStore;
  readonly identity: NodeIdentity;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly log: Log;
}

export class NodeLease implements Disposable {
  readonly #options: NodeLeaseOptions;
  readonly #name: string;
  readonly #claimed = Promise.withResolvers<readonly string[]>();
  #state: NodeLeaseState = { kind: 'waiting', reason: 'not read yet' };
  #held: Lease | undefined;
  #ended: readonly string[] = [];
  #failures = 0;
  /** Told once, until it changes. */
  #told = '';
  #renewedMs: number | undefined;
  #cancel = (): void => {};
  #closed = false;

  constructor(options: NodeLeaseOptions) {
    this.#options = options;
    this.#name = nodeLeaseName(options.identity.cluster, options.identity.ordinal);
  }

  get state(): NodeLeaseState {
    return this.#state;
  }

  /** Milliseconds since the last renewal that was stored; undefined before the first. */
  get ageMs(): number | undefined {
    const renewedMs = this.#renewedMs;
    return renewedMs === undefined ? undefined : this.#options.scheduler.nowMs() - renewedMs;
  }

  /**
   * Resolves once the Lease is this incarnation's, with the earlier starts of this very pod
   * (`demo-0/<incarnation>`): they have certainly ended. Waits as long as it takes.
   */
  start(): Promise<readonly string[]> {
    this.#after(0);
    return this.#claimed.promise;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancel();
  }

  async #turn(): Promise<void> {
    try {
      const waitMs = await this.#renew();
      this.#failures = 0;
      if (waitMs !== undefined) this.#after(waitMs);
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  /** Milliseconds until the next turn; undefined: no more. Throws what may pass. */
  async #renew(): Promise<number | undefined> {
    const { store, identity } = this.#options;
    const lease = this.#held ?? (await store.get(this.#name));
    if (this.#closed) return undefined;
    if (lease === undefined) {
      this.#wait(`Lease ${this.#name} does not exist yet: the operator makes it`);
      return limits.missingMs;
    }
    const problem = strangeness(lease, identity, 'Node');
    const parsed = parseNodeLease(lease);
    if (problem !== undefined || !parsed.ok) {
      const reason = problem ?? (parsed.ok ? '' : parsed.error.message);
      throw new Error(`Lease ${this.#name} is not taken: ${reason}`);
    }
    if (this.#supersededBy(parsed.content)) return undefined;
    if (this.#state.kind !== 'held') this.#ended = endedOf(lease, parsed.content, identity);
    return await this.#write(lease, parsed.content);
  }

  async #write(lease: Lease, content: NodeLeaseContent): Promise<number> {
    const { store, identity, wallMs, scheduler } = this.#options;
    const { node, incarnation, addresses, podUid, version } = identity;
    const { annotations, spec } = formatNodeLease({
      ...content,
      member: { node, incarnation },
      addresses: {
        resp: [addresses.resp],
        grpc: [addresses.grpc],
        peer: [addresses.peer],
      },
      podUid: podUid === '' ? undefined : podUid,
      version,
      renewTimeMs: wallMs(),
      revision: content.revision + 1,
    });
    const ended = this.#ended.map((member) => member.slice(member.indexOf('/') + 1)).join(',');
    const outcome = await store.update(lease, {
      annotations: { ...annotations, [ENDED_ANNOTATION]: ended === '' ? null : ended },
      spec,
    });
    if (outcome.kind !== 'won') {
      // Whatever became of it: what the store holds now decides.
      this.#held = undefined;
      const reason = outcome.kind === 'refused' ? `${outcome.reason}: ` : '';
      throw new Error(`renewal of Lease ${this.#name}: ${reason}${outcome.message}`);
    }
    this.#held = outcome.lease;
    this.#renewedMs = scheduler.nowMs();
    if (this.#state.kind !== 'held') {
      this.#options.log.info({ lease: this.#name, ended: this.#ended }, 'node Lease taken');
    }
    this.#state = { kind: 'held' };
    this.#told = '';
    this.#claimed.resolve(this.#ended);
    return limits.renewMs * (1 - limits.renewJitter * this.#options.random());
  }

  #supersededBy({ member }: NodeLeaseContent): boolean {
    const { identity, log } = this.#options;
    const ours = member?.incarnation === identity.incarnation;
    if (this.#renewedMs === undefined || member === undefined || ours) return false;
    const by = `${member.node}/${member.incarnation}`;
    this.#state = { kind: 'superseded', by };
    log.error({ lease: this.#name, by }, 'another incarnation has this node’s Lease');
    return true;
  }

  #wait(reason: string): void {
    if (this.#renewedMs === undefined) this.#state = { kind: 'waiting', reason };
    if (this.#told === reason) return;
    this.#told = reason;
    this.#options.log.warn({ lease: this.#name }, reason);
  }

  #failed(message: string): void {
    const { random } = this.#options;
    const waitMs = Math.min(limits.retryFirstMs * 2 ** this.#failures, limits.retryMostMs);
    this.#failures = Math.min(this.#failures + 1, 20);
    this.#held = undefined;
    this.#wait(message);
    this.#after(waitMs * (1 - 0.5 * random()));
  }

  #after(delayMs: number): void {
    if (this.#closed) return;
    this.#cancel = this.#options.scheduler.after(delayMs, () => void this.#turn());
  }
}

/** Earlier starts in the same pod: its containers run one after the other, so they have ended. */
export function endedOf(
  lease: Lease,
  { member, podUid }: NodeLeaseContent,
  identity: Pick<NodeIdentity, 'node' | 'podUid' | 'incarnation'>,
): readonly string[] {
  if (identity.podUid === '' || podUid !== identity.podUid || member === undefined) return [];
  const listed = (lease.annotations[ENDED_ANNOTATION] ?? '').split(',');
  const before = [member.incarnation, ...listed].filter(
    (incarnation) => /^[0-9a-f]{16}$/.test(incarnation) && incarnation !== identity.incarnation,
  );
  const distinct = [...new Set(before)].slice(0, limits.endedMax);
  return distinct.map((incarnation) => `${identity.node}/${incarnation}`);
}
