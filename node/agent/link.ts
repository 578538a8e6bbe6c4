/** What passes between the agent in the main thread and the `ShardHost` in the replication home. */

import type { MessagePort } from 'node:worker_threads';
import type { ReplicaState } from '@r-db/proto/replicas.ts';
import type { ShardReport } from '../replication/host.ts';

/** Travels to the thread: `workerData`, both ports in the transfer list (`linkPorts`). */
export interface HostLink {
  /** A LeaseStore is served over it. */
  readonly leases: MessagePort;
  /** Orders one way, reports the other. */
  readonly orders: MessagePort;
}

export const linkPorts = ({ leases, orders }: HostLink): MessagePort[] => [leases, orders];

export type Order =
  /** The node has its Lease: begin to lead. `ended` are earlier starts of this very pod. */
  | { readonly kind: 'start'; readonly ended: readonly string[] }
  | { readonly kind: 'shutdown' }
  /** Answered by `replicas` of the same number. */
  | { readonly kind: 'tell-replicas'; readonly question: number };

/** A replica as the leader here knows it. */
export interface FollowerState {
  readonly shard: number;
  readonly node: string;
  /** Entries of the log that it lacks; undefined: nothing is known yet. */
  readonly lagEntries: number | undefined;
}

export type FromHost =
  | { readonly kind: 'report'; readonly report: ShardReport }
  /** What this node holds of each shard, at this moment. */
  | {
      readonly kind: 'replicas';
      readonly question: number;
      readonly replicas: readonly ReplicaState[];
      readonly followers: readonly FollowerState[];
    }
  /** All shards have stopped and are given up as far as they can be. */
  | { readonly kind: 'stopped' };
