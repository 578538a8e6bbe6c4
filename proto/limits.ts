/** Bounds of what this package reads and writes: unit in the name, reason beside it. */

/** Slots of a cluster: fixed by the Redis Cluster protocol, so that any of its clients can route. */
export const SLOTS = 16_384;

/** Shards of a cluster. More would make lists of Leases slow and gain nothing: a node needs a few. */
export const SHARDS_MAX = 1_024;

/** Copies of a shard, and so nodes in an assignment. A move adds one before it takes one away. */
export const REPLICATION_FACTOR_MAX = 5;
export const ASSIGNMENT_NODES_MAX = REPLICATION_FACTOR_MAX + 1;

/**
 * Incarnations in an in-sync set. Old incarnations of restarted nodes may stand beside the new ones
 * until their removal is confirmed.
 */
export const IN_SYNC_INCARNATIONS_MAX = 2 * ASSIGNMENT_NODES_MAX;

/** Characters of a node's name: a DNS label, as StatefulSet pods have. */
export const NODE_NAME_CHARACTERS_MAX = 63;

/** Addresses of one port of a node: IPv4, IPv6, and a DNS name, twice over. */
export const ADDRESSES_OF_A_PORT_MAX = 6;

/** Characters of one annotation that we read; Kubernetes allows 256 KiB for all of an object's. */
export const ANNOTATION_CHARACTERS_MAX = 16_384;

/** leaseTransitions is an int32 in Kubernetes. At one change a second this lasts 68 years. */
export const EPOCH_MAX = 2_147_483_647;

/** Milliseconds: takeovers of one node's shards that lie closer together than this are one failover. */
export const FAILOVER_GAP_MS = 30_000;

/** Failovers that a status shows; more is history, which metrics keep. */
export const FAILOVERS_SHOWN_MAX = 10;
