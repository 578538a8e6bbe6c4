/**
 * The rules of replication that can be switched off, one at a time, to show that the simulation notices.
 *
 * A node never switches one off: `broken` is set by the simulation alone. Each name says what is done
 * WRONG when the rule is broken; the text says what the rule demands.
 */

export const breakableRules = {
  'commit-by-majority': 'a batch commits when every member of maximal has acknowledged it',
  'shrink-early': 'a removal counts only once it is resolved, for commits and for promises',
  'shrink-early-commit': 'a removal counts for commits only once it is resolved',
  'shrink-early-promise': 'a removal counts for promises only once it is resolved',
  'grow-late': 'an addition is in maximal before its compare-and-set is sent',
  'grow-late-commit': 'an addition is needed for commits before its compare-and-set is sent',
  'grow-late-promise': 'an addition is needed for promises before its compare-and-set is sent',
  'grow-reread': 'reading the same version does not resolve an addition',
  'campaign-reread': 'reading the same version does not resolve a campaign',
  'hand-over-reread': 'reading the same version does not resolve a hand-over',
  'grow-not-caught-up': 'only a replica that acknowledged all of the log joins the set',
  'grow-without-pending': 'what a joining replica acknowledged includes the pending batch',
  'old-epoch-accepted': 'a follower refuses an epoch below the highest that it has seen',
  'ack-without-sequence': 'an acknowledgement counts only for the sequence that it names',
  'ack-without-incarnation': 'an acknowledgement counts only for the incarnation that gave it',
  'names-not-incarnations': 'a restarted node is another incarnation',
  'promise-from-receipt': 'the leader counts a promise from when it sent the heartbeat',
  'promise-without-margin': 'the leader takes 5 % and 10 ms off a promise, for clocks differ',
  'promise-of-suspended': 'after the host was suspended no promise counts that was held before',
  'read-unchecked': 'a read needs unexpired promises of all others in maximal',
  'read-cached': 'promises are compared with the clock after the read began',
  'read-across-leaderships': 'a read ends with the leadership in which it began',
  'campaign-unexpired': 'a campaign waits until every promise given has run out',
  'campaign-promising': 'no promise is given while a campaign is unresolved',
  'campaign-outside-set': 'only a member of the in-sync set campaigns',
  'take-over-drops-pending': 'a new leader keeps what it had pending',
  'take-over-trusts-pending': 'a new leader replicates again what it had pending',
  'take-over-reads-early': 'a new leader serves no read before what it inherited is committed',
  'commit-unreconciled': 'a commit index is applied only to entries reconciled in this epoch',
  'hand-over-serving': 'nothing is served while a hand-over is unresolved',
  'hand-over-outside-set': 'leadership is handed to a confirmed member only',
  'minimum-of-maximal': 'minInSyncReplicas is counted on minimal, not on maximal',
  'minimum-of-confirmed': 'minInSyncReplicas is counted without unresolved removals',
  'minimum-at-start-only': 'minInSyncReplicas must still hold when a batch commits',
  'fresh-without-promises': 'a leader says how far it committed only while it holds all promises',
  'lease-anew-by-some': 'a Lease is made anew only after every node has answered',
  'lease-anew-outside-set': 'the set of a Lease made anew is of the newest set that is known',
  'retry-executed-again': 'a write that is sent again gets its first answer',
  'snapshot-without-sessions': 'a snapshot brings the sessions and their answers',
} as const;

export type BreakableRule = keyof typeof breakableRules;

export const isBreakableRule = (text: string): text is BreakableRule =>
  Object.hasOwn(breakableRules, text);
