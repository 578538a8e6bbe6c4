/** Between the Lease in the store and what the core knows of it. */

import type { Lease, LeaseChange } from '@r-db/leases/store.ts';
import {
  formatShardLease,
  LABEL,
  type LastFailover,
  type Member,
  memberText,
  parseShardLease,
  shardLeaseName,
} from '@r-db/proto/leases.ts';
import { epoch, generation, type Incarnation, incarnation, revision } from './core/identity.ts';
import type { LeaseEdit, ShardLease } from './core/lease.ts';

/** Whose Leases a node follows. */
export interface ClusterIdentity {
  /** metadata.name of the RDbCluster. */
  readonly cluster: string;
  /** metadata.uid of the RDbCluster. */
  readonly clusterId: string;
}

export type ShardLeaseReading =
  | { readonly ok: true; readonly lease: ShardLease }
  | { readonly ok: false; readonly message: string };

/** Reads a Lease that should be `shard`'s. Another cluster's, another kind's or an unreadable one is refused. */
export function readShardLease(
  lease: Lease,
  { shard, ...identity }: ClusterIdentity & { readonly shard: number },
): ShardLeaseReading {
  const stranger = strangeness(lease, identity, 'Shard');
  if (stranger !== undefined) return { ok: false, message: `Lease ${lease.name}: ${stranger}` };
  const expected = shardLeaseName(identity.cluster, shard);
  if (lease.name !== expected) {
    return { ok: false, message: `Lease ${lease.name}: the name must be ${expected}` };
  }
  const parsed = parseShardLease(lease);
  if (!parsed.ok) return { ok: false, message: `Lease ${lease.name}: ${parsed.error.message}` };
  const { content } = parsed;
  return {
    ok: true,
    lease: {
      uid: lease.uid,
      version: lease.resourceVersion,
      revision: revision(content.revision),
      epoch: epoch(content.epoch),
      generation: generation(content.generation),
      leader: content.leader === undefined ? undefined : incarnationOf(content.leader),
      inSync: content.inSync.map(incarnationOf),
      assignment: content.assignment,
    },
  };
}

/** Why a Lease is not this cluster's, or undefined. Such a Lease is never followed nor written. */
export function strangeness(
  lease: Lease,
  { cluster, clusterId }: ClusterIdentity,
  kind: 'Node' | 'Shard',
): string | undefined {
  if (lease.labels[LABEL.cluster] !== cluster) {
    return `label ${LABEL.cluster} is ${shown(lease.labels[LABEL.cluster])}: it must be "${cluster}"`;
  }
  if (lease.labels[LABEL.kind] !== kind) {
    return `label ${LABEL.kind} is ${shown(lease.labels[LABEL.kind])}: it must be "${kind}"`;
  }
  const owners = ownersOf(lease);
  if (owners.includes(clusterId)) return undefined;
  return `owned by ${owners.length === 0 ? 'nothing' : owners.join(', ')}: it must be owned by the RDbCluster of UID ${clusterId}`;
}

export interface EditTimes {
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** Between the loss of the old leader and this node's learning of it; 0 where unknown. */
  readonly detectionMs: number;
  /** Between learning of it and this write. */
  readonly promotionMs: number;
}

/** The change that carries out a core's edit on the Lease that it was made for. */
export function changeOf(base: Lease, edit: LeaseEdit, times: EditTimes): LeaseChange {
  const parsed = parseShardLease(base);
  if (!parsed.ok) throw new Error(`edit of an unreadable Lease: ${parsed.error.message}`);
  const { content } = parsed;
  return formatShardLease(
    {
      assignment: content.assignment,
      inSync: edit.inSync.map(memberOf),
      leader: edit.leader === undefined ? undefined : memberOf(edit.leader),
      epoch: edit.epoch,
      generation: edit.generation,
      revision: content.revision + 1,
      lastFailover: failoverOf(content.leader, edit, times) ?? content.lastFailover,
    },
    times.nowMs,
  );
}

/** Causes of a change of leader that was nobody's plan. */
const failoverCauses = { Campaign: 'LeaderLost', Restart: 'ContainerRestarted' } as const;

function failoverOf(
  before: Member | undefined,
  { cause }: LeaseEdit,
  times: EditTimes,
): LastFailover | undefined {
  if (before === undefined || (cause !== 'Campaign' && cause !== 'Restart')) return undefined;
  return {
    node: before.node,
    cause: failoverCauses[cause],
    time: new Date(times.nowMs).toISOString(),
    detectionMilliseconds: Math.round(times.detectionMs),
    promotionMilliseconds: Math.round(times.promotionMs),
  };
}

export const incarnationOf = (member: Member): Incarnation => incarnation(memberText(member));

export function memberOf(value: Incarnation): Member {
  const slash = value.indexOf('/');
  return { node: value.slice(0, slash), incarnation: value.slice(slash + 1) };
}

function ownersOf({ raw }: Lease): string[] {
  const { metadata } = raw as { metadata?: { ownerReferences?: unknown } };
  const references = metadata?.ownerReferences;
  if (!Array.isArray(references)) return [];
  return references.map((reference: { uid?: unknown }) => String(reference?.uid));
}

const shown = (value: string | undefined): string =>
  value === undefined ? 'missing' : JSON.stringify(value);
