/** What the phases of a reconcile share: what was seen, the ways to act, and what they found. */
import type { LeaseAdmin } from '@r-db/leases/store.ts';
import type { Address } from '@r-db/proto/leases.ts';
import type { NodeReplicas } from '@r-db/proto/replicas.ts';
import type { ObjectApi } from './api.ts';
import type { NodeAnswer } from './ask.ts';
import type { EventRecorder } from './events.ts';
import type { PodTemplate } from './make/template.ts';
import type { Memory } from './memory.ts';
import type { KubernetesObject } from './objects.ts';
import type { Observed } from './observe.ts';
import type { Acceptance } from './plan/acceptance.ts';
import type { Roll } from './plan/roll.ts';
import type { Resolved } from './resolve.ts';
import type { Failover, RDbCluster } from './resource.ts';

/** The ways to act, the same for all clusters. */
export interface Tools {
  readonly api: ObjectApi;
  leases(namespace: string): LeaseAdmin;
  readonly events: EventRecorder;
  readonly memory: Memory;
  zoneOf(host: string): Promise<string | undefined>;
  /** Asks a node for its figures; undefined if it does not answer. */
  ask(address: Address): Promise<NodeAnswer | undefined>;
  /** Asks a node, at its metrics port, what it holds of every shard; undefined if it does not answer. */
  askReplicas(address: Address): Promise<NodeReplicas | undefined>;
  /** Image of nodes whose spec names none, when the cluster is made. */
  readonly image: string;
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** 16 hexadecimal digits nobody can guess. */
  randomSeed(): string;
}

/** Keys and bytes of a cluster, as last fetched from its nodes. */
export interface Figures {
  readonly keys: number;
  readonly bytes: number;
}

export interface Context {
  readonly tools: Tools;
  readonly seen: Observed;
  readonly cluster: RDbCluster;
  readonly resolved: Resolved;
  readonly acceptance: Acceptance;
  readonly figures: Figures | undefined;
  readonly nowMs: number;
  readonly found: Findings;
}

/** Filled in by the phases, read by the report. */
export interface Findings {
  template?: PodTemplate;
  /** As it stands now: the one seen, or the one just made. */
  statefulSet?: KubernetesObject;
  /** Names of objects that belong to somebody else. */
  readonly foreign: string[];
  /** Names of objects of an earlier cluster that are being deleted. */
  readonly leaving: string[];
  readonly forbidden: string[];
  readonly rejected: string[];
  /** Errors that may pass. */
  readonly failures: string[];
  /** Shards of which every copy is gone and that were not started again. */
  readonly lost: Set<number>;
  /** Of the lost: those that wait for a person. */
  readonly held: Set<number>;
  /** Shards without a Lease. */
  readonly withoutLease: Set<number>;
  /** What a missing Lease waits for, a sentence for each node. */
  readonly silent: Set<string>;
  roll: Roll;
  /** What Leases tell of leaders and data that were lost: it goes into the status. */
  readonly failovers: Failover[];
  /** Whether everything that the spec asks for had been made when this reconcile began. */
  complete: boolean;
  /** Look again after so long, if nothing happens before. */
  againInMs: number | undefined;
}

export function noFindings(): Findings {
  return {
    foreign: [],
    leaving: [],
    forbidden: [],
    rejected: [],
    failures: [],
    lost: new Set(),
    held: new Set(),
    withoutLease: new Set(),
    silent: new Set(),
    roll: { kind: 'done' },
    failovers: [],
    complete: false,
    againInMs: undefined,
  };
}

export function lookAgain(found: Findings, inMs: number | undefined): void {
  if (inMs === undefined) return;
  found.againInMs = Math.min(found.againInMs ?? Number.POSITIVE_INFINITY, Math.max(0, inMs));
}

/** Whether something stands in the way of making what the spec asks for. */
export function isBlocked(found: Findings): boolean {
  return [found.foreign, found.leaving, found.forbidden, found.rejected].some(
    (names) => names.length > 0,
  );
}
