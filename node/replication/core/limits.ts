/** Every bound of the replication core, with its unit and its reason. */

import { assert } from './assert.ts';

export const limits = {
  /** Milliseconds. First wait after a request to the store failed. Shorter ones burden an ailing API server. */
  retryFirstMs: 100,
  /** Milliseconds. Longest wait between tries; a longer one delays recovery after an outage by that much. */
  retryMostMs: 5_000,
  /**
   * Milliseconds between reads of a Lease that no watch has told yet, and of a node that shuts down and waits for
   * others: how long its deletion may go unnoticed.
   */
  recheckMs: 5_000,
  /**
   * Answers in a row, 401 or 403, after which a node that shuts down gives up its Leases as they are. More
   * than one, as an API server that has just started may not know yet who may do what; few, as the rights of
   * the nodes of a cluster that is deleted go before the nodes, and never come back.
   */
  forbiddenMost: 3,
  /**
   * Quorum reads in a row, `recheckMs` apart, that find no Lease after which a node that shuts down believes that its
   * cluster was deleted. More than one, as an operator needs seconds to make one anew.
   */
  missingMost: 2,
  /** Part of a wait that is random, so that a thousand shards don't try in step. */
  retryJitter: 0.5,
  /** Milliseconds. Length of a promise where none is configured: how long a dead leader's shards wait. */
  promiseMs: 1_000,
  /** Heartbeats in one promise. Fewer: one lost heartbeat stops reads. More: idle nodes talk for nothing. */
  heartbeatsAPromise: 5,
  /** Heartbeats whose time of sending is kept; an answer to an older one gives nothing. */
  heartbeatsRemembered: 32,
  /** Part of a promise that the leader takes off, for its clock may run slower than the follower's. */
  clockDriftMax: 0.05,
  /** Milliseconds that it takes off besides, for clocks are read in steps. */
  clockMarginMs: 10,
  /** Part of a promise after which a silent follower is removed: before its own promise ends it may campaign. */
  silencePromises: 0.6,
  /**
   * Promises after which a leader that hears too few members to take writes removes them all the same, and serves
   * reads alone: those of them that live, and reach the store, have campaigned by then.
   */
  lonelyPromises: 2.5,
  /**
   * Part of a promise between the campaigns of neighbours in rank. Longer: shards whose first can't reach the store wait.
   * Shorter: the second asks the store, and on a busy one campaigns, before it has heard that the first has won.
   */
  rankPromises: 0.25,
  /**
   * The same where the store answered only when the campaign was due. Shorter: on an API server that is slow after its return
   * several ask for each shard, and the new leader waits for the promises of those who lost. Longer: if it answers the
   * second and not the first, the shard waits so much longer.
   */
  lateRankPromises: 0.75,
  /**
   * Part of a promise before its campaign at which a follower asks whether the store is there. More: a single late heartbeat
   * costs a read of the store. Less: a busy store's answer, or a new connection to it, delays the campaign.
   */
  askAheadPromises: 0.15,
  /**
   * Milliseconds, at most, until the store has answered and a hand-over that somebody asked for begins; else it is refused. Longer:
   * who asked waits for nothing. Shorter: refused on a slow store, on which hand-overs succeed: clients wait two promises for one.
   */
  handOverAskMs: 2_000,
  /** Part of a promise that a hand-over waits for the batch that is out. */
  handOverPromises: 0.5,
  /**
   * Promises that those who came to a leader are kept waiting for its successor to speak. Shorter: a busy successor sends
   * them back. Longer: where it died just then, they wait for nothing; by then others campaign.
   */
  successorPromises: 1,
  /** Part of a promise after which what was not acknowledged is sent again. */
  resendPromises: 0.2,
  /** The same for a part of a snapshot: it is large, and within a connection none is lost. */
  resendCutPromises: 1,
  /**
   * Milliseconds, at most, that followers wait to hear that a batch is committed where no next one brings the word. Longer:
   * they apply later, and a shard that is busy now and then has more to replicate again after a crash. Shorter: on a
   * busy node, where a shard's batches are some milliseconds apart, each costs two more messages.
   */
  commitHeldMs: 40,
  /** Milliseconds in sync before the first of the assignment gets the leadership back. */
  preferredAfterMs: 30_000,
  /** Bytes of applied entries kept for followers where nothing is configured. */
  logBytesMax: 4 * 1024 * 1024,
  /** Sessions that a shard remembers. Fewer: clients that write now and then lose theirs. Each takes 200 bytes and its answers. */
  sessionsMax: 4_096,
  /** Answers that a session may ask for again: more than a client has under way in one shard. */
  sessionResultsMax: 1_024,
  /** Bytes of an answer that is kept: those of writes are small. One that is larger can't be asked for again. */
  sessionResultBytesMax: 16 * 1024,
  /** Bytes of all sessions of a shard with their answers; then the one that wrote least recently ends. */
  sessionBytesMax: 2 * 1024 * 1024,
  /** Milliseconds that a client's clock may be ahead when its session begins. */
  sessionAheadMaxMs: 600_000,
  /** Bytes that a kept entry takes besides its content, with what is left over in its segment. */
  entryBytesExtra: 24,
  /** Entries of the first segment of a history; each further one has twice as many. More: a shard without writes keeps room for them. */
  segmentEntriesFirst: 16,
  /** Entries of a segment of the history. Larger: a shard that is hardly written to keeps more room that it does not use. */
  segmentEntries: 1_024,
  /** Room of a segment for each of its entries; longer ones fill it sooner. */
  segmentEntryBytes: 64,
  /** Bytes of entries in one message, but for its last entry: keeps frames from growing with the lag. */
  messageBytesMax: 256 * 1024,
} as const;

assert(limits.retryFirstMs <= limits.retryMostMs, 'the first wait exceeds the longest');
assert(limits.forbiddenMost >= 2, 'one refusal may pass');
assert(limits.missingMost >= 2, 'no time is left to make a Lease anew');
assert(limits.retryFirstMs * 2 ** limits.forbiddenMost <= 2_000, 'a shut-out node ends in seconds');
assert(limits.retryJitter >= 0 && limits.retryJitter < 1, 'jitter is a part of the wait');
assert(limits.heartbeatsRemembered > limits.heartbeatsAPromise, 'a live promise is forgotten');
assert(limits.askAheadPromises < limits.rankPromises, 'all members of a set ask the store');
assert(
  limits.askAheadPromises < 1 / limits.heartbeatsAPromise,
  'a follower asks for a campaign between two heartbeats',
);
assert(
  2 / limits.heartbeatsAPromise < limits.silencePromises,
  'a follower is removed for one lost heartbeat',
);
assert(limits.silencePromises < 1 - limits.clockDriftMax, 'removal must come before a campaign');
assert(limits.segmentEntriesFirst <= limits.segmentEntries, 'the first segment is too long');
assert(limits.lonelyPromises > 2, 'a leader that is cut off keeps what others would campaign for');
assert(
  limits.commitHeldMs * limits.heartbeatsAPromise < limits.promiseMs / 2,
  'a heartbeat tells of commits that a follower has not heard of',
);
assert(limits.sessionsMax * 200 < limits.sessionBytesMax, 'sessions without answers do not fit');
assert(limits.sessionResultBytesMax * 16 < limits.sessionBytesMax, 'few answers fill all');
assert(limits.handOverAskMs >= limits.promiseMs * 2, 'refused where clients would have waited');
assert(limits.handOverPromises < limits.silencePromises, 'a hand-over outlasts its target');
