/** Bounds of the client. Relations are checked when the module loads. */

const MiB = 1024 * 1024;

/**
 * Time for a call, retries included, if it does not say otherwise. Shorter, and a failover that goes badly (a node that
 * hangs, a second one that dies) is seen as an error; longer, and callers learn late that a shard is gone.
 */
export const TIMEOUT_MS_DEFAULT = 15_000;
/** Longest time that a timer can count. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** Time for `connect` to hear a topology from one of the addresses. */
export const CONNECT_TIMEOUT_MS_DEFAULT = 5_000;
/** Time for one address to answer, before the next is asked. */
export const SEED_TIMEOUT_MS = 2_000;

/** Operations in one Batch: more gain nothing (the cost of the call is spread already) and delay the first answer. */
export const BATCH_OPERATIONS_MAX = 512;
/** Bytes of keys and values in one Batch of several operations; the server allows 1 MiB. */
export const BATCH_BYTES_MAX = MiB;
/** Batches to one node at once. While all are out, operations gather in the queue and the next batch is larger. */
export const BATCHES_PER_NODE_MAX = 8;
/** Operations of a client that are not answered yet; more are refused (OVERLOADED). */
export const OPERATIONS_MAX = 65_536;
/** Bytes of keys and values of these. */
export const OPERATION_BYTES_MAX = 256 * MiB;

/**
 * Time for the first attempt of what may be sent again; each further one has double. Shorter, and busy nodes get all work
 * twice; longer, and a node that hangs costs more than the failover from it.
 */
export const ATTEMPT_MS_MIN = 1_000;
/** Beside that, for long values: bytes that even a slow network carries in a millisecond. */
export const ATTEMPT_BYTES_PER_MS = 1_000;
/** A topology stream that told nothing for so long is changed for another one when an attempt found no answer. */
export const TOPOLOGY_DOUBT_MS = 1_000;

/**
 * Numbers of a session from its oldest unanswered one on. A shard keeps 1024 answers of a session, then forgets a
 * quarter, the lowest: while no more than three quarters may be unanswered, it forgets none that may be asked for.
 */
export const SESSION_NUMBERS_MAX = 768;
/** Sessions that take new numbers: more than there are when every batch has one of its own at three nodes. */
export const SESSIONS_MAX = 64;
/**
 * Where nodes call new sessions ended already, their clocks are not this one's: nodes take none that begins before what they
 * have forgotten, or more than ten minutes ahead. How new sessions are dated then, one after the other.
 */
export const SESSION_OFFSETS_MS: readonly number[] = [
  ...[0, 1_000, 8_000, 64_000, 512_000],
  ...[-3_600_000, -24 * 3_600_000, -365 * 24 * 3_600_000],
];
/** Sessions that one write may lose before anything of it happened. */
export const SESSIONS_ENDED_MAX = 12;

/** Redirects that an operation follows at once; then it waits, since the nodes don't agree. */
export const REDIRECTS_AT_ONCE_MAX = 4;
/** First wait before a retry; doubles, with jitter, up to the longest. */
export const BACKOFF_MS_MIN = 10;
export const BACKOFF_MS_MAX = 500;

/**
 * A hand-over that the leader refuses is ordered again for so long: it may just be about to know that the node is in sync. Longer, and
 * who ordered it waits for a word while the API server is away, which a leader awaits for two seconds.
 */
export const HAND_OVER_RETRY_MS = 1_000;

/** Connections: first and longest wait before connecting again. */
export const RECONNECT_MS_MIN = 50;
export const RECONNECT_MS_MAX = 2_000;
/**
 * So long after a topology is told, connections are opened to all nodes that lead or may lead next, that the first call
 * to a new leader does not wait for one. Shorter, and a command line that asks one node connects to all; longer, and
 * a hand-over finds the client without.
 */
export const CONNECT_AHEAD_MS = 50;
/** A silent connection is asked for a sign of life so often; without one for so long it is given up. */
export const KEEPALIVE_MS = 10_000;
export const KEEPALIVE_TIMEOUT_MS = 5_000;

const relations: readonly [boolean, string][] = [
  [BATCH_OPERATIONS_MAX <= 4096, 'the server takes 4096 operations in a batch'],
  [BATCH_BYTES_MAX <= MiB, 'the server takes 1 MiB in a batch'],
  [BATCH_OPERATIONS_MAX * BATCHES_PER_NODE_MAX <= OPERATIONS_MAX, 'one node can be kept busy'],
  [
    BACKOFF_MS_MIN < BACKOFF_MS_MAX && BACKOFF_MS_MAX < TIMEOUT_MS_DEFAULT,
    'a call retries several times',
  ],
  [ATTEMPT_MS_MIN * 7 < TIMEOUT_MS_DEFAULT, 'a call survives three attempts without an answer'],
  [BATCH_OPERATIONS_MAX <= SESSION_NUMBERS_MAX, 'a session takes a batch'],
  [SESSION_OFFSETS_MS.length <= SESSIONS_ENDED_MAX, 'a write finds a session that nodes take'],
  [SEED_TIMEOUT_MS < CONNECT_TIMEOUT_MS_DEFAULT, 'connect tries more than one address'],
  [KEEPALIVE_TIMEOUT_MS < KEEPALIVE_MS, 'one sign of life at a time'],
];
for (const [holds, what] of relations) if (!holds) throw new Error(`limits.ts: ${what}`);
