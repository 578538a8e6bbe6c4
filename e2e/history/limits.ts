/** Bounds of the recorded clients and of the checks: unit in the name, the reason beside it. */

/** Between two operations of a task over RESP: the resolution of a shard's unavailability. */
export const respIntervalMs = 40;

/** gRPC calls cost ten times a RESP command, and the machine has other work. */
export const grpcIntervalMs = 100;

/** An operation that is out so long makes its node suspect: a new process asks the other nodes meanwhile. */
export const stuckMs = 150;

/** After that an operation over RESP is given up: what came of it is unknown. Above a failover's time. */
export const attemptMs = 2_000;

/** An operation that no node would take in this time has failed, certainly. */
export const operationMs = 3_000;

/** A connection that is not there by then is not tried further: a cut answers nothing. */
export const connectMs = 500;

/** For which a node's address is remembered: a pod made anew has another one. */
export const nameMs = 1_000;

/** Before another node is asked where the leader is. */
export const askAgainMs = 20;

/** For which a node that took no connection is not tried again: one that starts needs longer. */
export const goneMs = 200;

/** Operations of one task that nobody has answered. One more would wait: unknown ones are dear to check. */
export const outstandingMax = 3;

/** Of the gRPC client, retries included: its default. */
export const grpcTimeoutMs = 5_000;

/** Keys of each kind in a shard: fewer operations on each, so that a check of one stays short. */
export const keysOfAKind = 2;

/** Final reads go on until every key has answered: longer than any failover. */
export const finalReadsMs = 30_000;

/** Steps of our own search on one key. A history of 1,000 operations takes a few thousand. */
export const stepsMax = 2_000_000;

/** Of the judge, for a whole history; it takes a second or two. */
export const judgeSeconds = 60;

/** Bytes that a reply may have: values are short. */
export const replyBytesMax = 64 * 1024;

if (stuckMs >= attemptMs) throw new RangeError('what is given up was stuck before');
if (connectMs >= operationMs || attemptMs >= operationMs) {
  throw new RangeError('an operation tries more than one node');
}
