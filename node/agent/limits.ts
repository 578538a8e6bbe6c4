/** Bounds of the agent: unit in the name, reason beside it. */

import { NODE_LEASE_DURATION_SECONDS, NODE_LEASE_RENEW_MS } from '@r-db/proto/leases.ts';

export const limits = {
  /** Milliseconds between renewals of the node's Lease: one small write is all that an idle node costs. */
  renewMs: NODE_LEASE_RENEW_MS,
  /** Part of that wait that is random, so that nodes started together don't write together. */
  renewJitter: 0.2,
  /** Milliseconds. First and longest wait after the store failed; the longest bounds recovery after an outage. */
  retryFirstMs: 250,
  retryMostMs: 10_000,
  /** Milliseconds between looks for a node's Lease that does not exist yet: the operator is making it. */
  missingMs: 500,
  /** Changes within so many milliseconds make one topology: a failover changes many shards at once. */
  topologyBatchMs: 5,
  /** Milliseconds. While a node's addresses are unknown the list of nodes is read again, at first and at most after so long. */
  nodesFirstMs: 250,
  nodesMostMs: 30_000,
  /** Milliseconds that the host has to say what it holds: below the 2 s after which the operator asks again. */
  questionTimeoutMs: 1_500,
  /** Such questions at once; one operator asks, one at a time. */
  questionsMax: 16,
  /** Earlier starts of this pod that are remembered. A pod that crashes more often in a row has its shards reset by the operator. */
  endedMax: 32,
} as const;

if (2 * limits.renewMs > NODE_LEASE_DURATION_SECONDS * 1_000) {
  throw new Error('a node Lease must outlive a renewal that fails once');
}
