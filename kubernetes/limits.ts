/** Bounds of this package: unit in the name, reason beside it. */

/** How long a request may take, unless its caller says otherwise. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** Bytes of one answer. 1,024 Leases or 300 pods take 2 to 4 MiB; more than this is a wrong server. */
export const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of one line of a watch: an object is at most 1.5 MiB in etcd, JSON may double it. */
export const WATCH_LINE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Silence after which a watch is taken for dead. The API server sends a bookmark about every minute;
 * shorter than two of them would break healthy watches of quiet resources.
 */
export const WATCH_SILENCE_MS_MAX = 150_000;

/** A watch asks the server to end it after a time in this range, so that watches spread anew. */
export const WATCH_DURATION_SECONDS_MIN = 300;
export const WATCH_DURATION_SECONDS_MAX = 600;

/** A watch that lasted so long was healthy: the next failure waits the shortest time again. */
export const WATCH_HEALTHY_MS = 10_000;

/**
 * Waiting between attempts: doubles from the first to the last, each with jitter of half of it. The
 * first is short, since a node that sees no Leases is blind to a failover; the last bounds the load
 * of a hundred nodes on an API server that has just come back.
 */
export const RETRY_FIRST_MS = 50;
export const RETRY_LAST_MS = 5_000;

/** The longest that a server's Retry-After is believed. */
export const RETRY_AFTER_MS_MAX = 30_000;

/**
 * Connections to the API server that this process opens: campaigns for 64 shards at once go through
 * a quarter of them (16 in flight), watches hold one each.
 */
export const CONNECTIONS_MAX = 64;

/** Idle connections kept for the next request. */
export const CONNECTIONS_IDLE_MAX = 16;

/** After so long without a packet the kernel asks whether the other side still lives. */
export const KEEP_ALIVE_PROBE_MS = 5_000;

/**
 * Between reads of the service account. The kubelet renews a token when a fifth of its time is left, two minutes at least;
 * more often costs file reads for nothing.
 */
export const SERVICE_ACCOUNT_MS = 60_000;

if (WATCH_SILENCE_MS_MAX < 2 * 60_000) throw new Error('a watch must outlast two bookmarks');
if (WATCH_DURATION_SECONDS_MIN > WATCH_DURATION_SECONDS_MAX) throw new Error('empty range');
if (RETRY_FIRST_MS > RETRY_LAST_MS) throw new Error('retries must not become faster');
