/** Bounds of this package: unit in the name, reason beside it. */

/**
 * How long a request to the store may take. Shorter gives up while a busy API server would still
 * answer (and leaves a compare-and-set unresolved); longer holds a shard in doubt.
 */
export const REQUEST_TIMEOUT_MS = 5_000;

/** Changes that the store in memory remembers, for lists and watches that are told old states. */
export const MEMORY_HISTORY_CHANGES_MAX = 4_096;

/**
 * Bytes of one frame between processes. A list of 1,024 shard Leases takes about 2 MiB; a peer that
 * announces more than this is broken, and is cut off before anything is allocated.
 */
export const CHANNEL_FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** Requests of one client in flight: every shard's campaign at once, and as many reads. */
export const CHANNEL_REQUESTS_MAX = 4_096;

/**
 * Part of a request's time that the server of a channel gives back, for its answer to come in time. Smaller: a busy process hears
 * of a time-out and not of what the server knows, that nothing was sent. Larger: a slow store has less time.
 */
export const CHANNEL_TIMEOUT_MARGIN = 0.05;

/** Watches of one client. A node has two. */
export const CHANNEL_WATCHES_MAX = 64;

/**
 * Bytes waiting to be taken by a client before its connection is closed (it then lists anew): a
 * process that hangs must not fill the memory of the one that serves it.
 */
export const CHANNEL_QUEUED_BYTES_MAX = 2 * CHANNEL_FRAME_BYTES_MAX;

/** Waiting before a new connection: doubles from the first to the last, with jitter. */
export const CHANNEL_RECONNECT_FIRST_MS = 20;
export const CHANNEL_RECONNECT_LAST_MS = 1_000;

/** How often the server of a channel tells its age, so that clients can tell theirs. */
export const CHANNEL_HEARTBEAT_MS = 1_000;

/**
 * Messages sent to another thread and not yet acknowledged: a MessagePort does not tell how much
 * waits in it. The list of a large cluster's Leases is 1,024. Acknowledged by batches.
 */
export const PORT_UNACKNOWLEDGED_MAX = 4_096;
export const PORT_ACKNOWLEDGE_EVERY = 64;

if (PORT_ACKNOWLEDGE_EVERY > PORT_UNACKNOWLEDGED_MAX / 2) {
  throw new Error('a full port would never be acknowledged');
}
