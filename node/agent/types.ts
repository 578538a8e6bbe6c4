/**
 * The seam between the parts of a node that know Leases and those that serve clients.
 *
 * Main thread: `Agent` (agent.ts) holds the process' one LeaseStore, renews the node's Lease, watches
 * the cluster's Leases, derives the `Topology` and hands it on.
 * Data threads: each runs a `ShardHost` (node/replication/host.ts) for the shards whose home it is
 * (shard % threads === thread); it drives one pure core a shard and publishes control blocks.
 * Its LeaseStore is the main thread's, over a MessagePort (leases/channel.ts).
 */

import type { LastFailover } from '@r-db/proto/leases.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How a node is reached. `host` is a stable DNS name on Kubernetes, 127.0.0.1 in a local cluster. */
export interface NodeAddresses {
  readonly resp: Address;
  readonly grpc: Address;
  readonly peer: Address;
}

export interface NodeIdentity {
  /** metadata.name of the RDbCluster. */
  readonly cluster: string;
  /** metadata.uid of the RDbCluster. */
  readonly clusterId: string;
  /** Pod name, `demo-0`. */
  readonly node: string;
  readonly ordinal: number;
  readonly podUid: string;
  /** Random, made at this start of the process: 16 lower-case hexadecimal digits. */
  readonly incarnation: string;
  readonly addresses: NodeAddresses;
  readonly version: string;
}

export interface TopologyNode {
  readonly name: string;
  /** 40 hexadecimal digits, stable for a node's name in a cluster: what CLUSTER MYID shows. */
  readonly id: string;
  readonly addresses: NodeAddresses | undefined;
  readonly incarnation: string | undefined;
  readonly zone: string | undefined;
  readonly host: string | undefined;
}

export interface TopologyShard {
  readonly shard: number;
  /** Slots [first, last]. */
  readonly firstSlot: number;
  readonly lastSlot: number;
  readonly leader: string | undefined;
  readonly followers: readonly string[];
  readonly inSync: readonly string[];
  readonly epoch: number;
  readonly generation: number;
  /** Undefined: none is known. */
  readonly lastFailover?: LastFailover | undefined;
}

export interface Topology {
  readonly clusterId: string;
  /** Rises with each change seen by this process. */
  readonly version: number;
  readonly nodes: readonly TopologyNode[];
  /** Index = shard. */
  readonly shards: readonly TopologyShard[];
}
