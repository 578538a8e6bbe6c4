/** Bounds of the gRPC side of a data thread. Relations are checked when the module loads. */
import { strict as assert } from 'node:assert';
import { limits as replication } from '../../replication/core/limits.ts';

const MiB = 1024 * 1024;

/** Operations in a batch: one engine call must not hold its thread for more than some milliseconds. */
export const BATCH_OPERATIONS_MAX = 4096;
/** Bytes of keys and values in a batch of several operations. One operation alone may be larger. */
export const BATCH_BYTES_MAX = MiB;
/**
 * Bytes of values in the answer to a batch of several reads: the rest is told to ask again. Below
 * the 4 MiB that gRPC clients take by default.
 */
export const ANSWER_BYTES_MAX = 3 * MiB;
/** What a message may be longer than the longest key and value together. */
export const MESSAGE_OVERHEAD_BYTES_MAX = MiB;
/** Reads in the first engine call of a batch, while the size of values is not known yet. */
export const FIRST_READS_MAX = 16;
/** Reads in one engine call, however small the values are. */
export const READS_MAX = 1024;

/** How long operations wait for a shard that is busy or changes its leader, if no deadline is nearer. */
export const PARK_MS_MAX = 5_000;
/**
 * How long a write may wait for its commit, if no deadline is nearer: a setTimeout knows no longer one. It is
 * held as long as it takes; who has no deadline wants to know what became of it.
 */
export const COMMIT_MS_MAX = 2 ** 31 - 1;
/** How long a hand-over may take until the topology shows it, if no deadline is nearer. */
export const HAND_OVER_MS_MAX = 5_000;
/** Part of that time in which it must have begun: what is left must do for the hand-over itself. */
export const HAND_OVER_BEGIN_SHARE = 0.5;
/** One wait for a shard; then the operation is tried again whatever happened. */
export const PARK_STEP_MS_MAX = 250;
/** Operations that wait at once, in one thread. More are answered OVERLOADED. */
export const PARKED_OPERATIONS_MAX = 16_384;
/** Bytes of operations that wait at once, in one thread. */
export const PARKED_BYTES_MAX = 64 * MiB;
/** What OVERLOADED and NO_LEADER tell a client to wait at least. */
export const RETRY_AFTER_MS = 50;

/** Keys in a page of a scan if the request does not say, and at most. */
export const SCAN_PAGE_KEYS_DEFAULT = 256;
export const SCAN_PAGE_KEYS_MAX = 4096;
/** Bytes of keys and values after which a page ends. */
export const SCAN_PAGE_BYTES_MAX = MiB;
/** Longest pattern: matching costs pattern times key. */
export const SCAN_MATCH_BYTES_MAX = 1024;

/** Calls at once on one connection (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS). */
export const CALLS_PER_CONNECTION_MAX = 1024;
/** A connection that is silent so long is asked for a sign of life, and cut if none comes. */
export const KEEPALIVE_MS = 60_000;
export const KEEPALIVE_TIMEOUT_MS = 20_000;

/** Length of a session's ID. */
export const SESSION_BYTES = 16;

assert(BATCH_BYTES_MAX <= MESSAGE_OVERHEAD_BYTES_MAX + 16 * MiB, 'a full batch fits a message');
assert(FIRST_READS_MAX <= READS_MAX && READS_MAX <= BATCH_OPERATIONS_MAX);
assert(SCAN_PAGE_BYTES_MAX < ANSWER_BYTES_MAX, 'a page fits a default client');
assert(PARK_STEP_MS_MAX < PARK_MS_MAX);
assert(
  replication.handOverAskMs <= HAND_OVER_MS_MAX * HAND_OVER_BEGIN_SHARE,
  'who is refused a hand-over hears why',
);
assert(BATCH_OPERATIONS_MAX <= PARKED_OPERATIONS_MAX, 'one batch can wait as a whole');
