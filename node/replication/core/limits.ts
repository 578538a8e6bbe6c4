/** Every bound of the replication core, with its unit and its reason. */

import { assert } from './assert.ts';

export const limits = {
  /** Milliseconds. First wait after a request to the store failed. Shorter ones burden an ailing API server. */
  retryFirstMs: 100,
  /** Milliseconds. Longest wait between tries; a longer one delays recovery after an outage by that much. */
  retryMostMs: 5_000,
  /** Milliseconds between reads of a Lease that no watch has told yet: how long its deletion may go unnoticed. */
  recheckMs: 5_000,
  /**
   * Answers in a row, 401 or 403, after which a node that shuts down gives up its Leases as they are. More
   * than one, as an API server that has just started may not know yet who may do what; few, as the rights of
   * the nodes of a cluster that is deleted go before the nodes, and never come back.
   */
  forbiddenMost: 3,
  /** Part of a wait that is random, so that a thousand shards don't try in step. */
  retryJitter: 0.5,
} as const;

assert(limits.retryFirstMs <= limits.retryMostMs, 'the first wait exceeds the longest');
assert(limits.forbiddenMost >= 2, 'one refusal may pass');
assert(limits.retryFirstMs * 2 ** limits.forbiddenMost <= 2_000, 'a shut-out node ends in seconds');
assert(limits.retryJitter >= 0 && limits.retryJitter < 1, 'jitter is a part of the wait');
