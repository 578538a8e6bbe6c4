/** Bounds of the shell around the replication cores: unit in the name, reason beside it. */

const mebibyte = 1024 * 1024;

export const limits = {
  /**
   * Requests to the LeaseStore that the shards of one node have out. A node that takes over hundreds of
   * shards at once would else drown an API server that has other work.
   */
  requestsInFlightMax: 16,
  /**
   * Of them, so many at first. Fewer: the shards of a node that died wait for each other, up to 0.1 s where the API server is
   * busy. More: a failover begins with as many handshakes, shortly before it, where the connections are not still open.
   */
  requestsInFlightFirst: 5,
  /** Milliseconds without an answer after which twice as many are out. Longer: a dead connection delays a failover. */
  requestsStepMs: 50,
  /**
   * Milliseconds in which the shards of a node that campaign come together, to ask once whether the LeaseStore answers.
   * Longer: a failover takes longer. Shorter: they miss each other, as their timers differ by a turn or two.
   */
  gatherReadsMs: 2,
  /** Milliseconds from a read that failed at once to the next one, while the LeaseStore does not answer. */
  storeProbeMs: 300,
  /**
   * Milliseconds without an answer to a read until another is sent besides, doubling up to the most. Shorter: an API server that is
   * slow is asked more, and has more connections to make when it returns. Longer: it takes longer to get by a connection
   * that is dead, and after a cut of the network to notice that it is over.
   */
  storeReadFirstMs: 250,
  storeReadMostMs: 2_000,
  /** Of them out at a time. Fewer: while all hang nothing is noticed, up to their time-out of 5 s. */
  storeReadsInFlightMax: 5,
  /** Batches that are out from which on others wait for them. Fewer: quiet nodes answer later; more: busy ones send more frames. */
  roundBatchesMin: 4,
  /** Milliseconds that they wait at most: some shards' followers answer later, or not at all. */
  roundMs: 1,
  /** Records freed in one turn of the event loop: about a millisecond. */
  dropRecordsMax: 2_000,
  /** Milliseconds until something is tried again that another thread, or a lack of memory, stood against. */
  retryMs: 1,
  /**
   * Bytes that the fullest follower of a shard must have free: below it, writes that need memory are refused, and
   * again taken from the second on. A batch and its index should still fit, or it would wait for room.
   */
  followerFreeBytesMin: 12 * mebibyte,
  followerFreeBytesAgain: 16 * mebibyte,
  /** One part of a snapshot. Larger: fewer round trips; a turn of the event loop takes longer. */
  cutBytes: 256 * 1024,
  /** What all snapshots that a node sends may take. Larger: catch-up is faster, clients are served less. */
  cutBytesPerSecond: 22 * mebibyte,
  /** Applied entries kept for followers, of all shards of a node together; each gets its share. */
  logBytesMax: 128 * mebibyte,
  /** How fast the time by which keys expire follows the wall clock: 36 s an hour. More: a wrong clock expires keys. */
  clockSlew: 0.01,
  /** Milliseconds between the two that are told: more than any well-kept clock is off. */
  clockApartMs: 2_000,
  /** Milliseconds by which a leader's time may be ahead and is still followed at once. */
  clockBelievedMs: 60_000,
  /**
   * Shards that a node that shuts down hands over at the same time. More: each waits longer for the store, and serves
   * nobody meanwhile. Fewer: a node of hundreds of shards needs seconds more.
   */
  handOversAtOnce: 4,
  /** Milliseconds until the next shard need not wait any longer for one that is not handed over yet. */
  handOverPatienceMs: 250,
  /** Share of a promise after which a node that shuts down asks its peers again to be removed. */
  leavePromises: 0.2,
  /**
   * Milliseconds by which the wall clock may run ahead of the monotonic one between two heartbeats. More: the host stood
   * still. It is what a leader takes off a promise of the default length; less, and a wall clock that is set breaks connections.
   */
  suspendedMs: 50,
  /** Milliseconds between the readings of both clocks, above which they can't be compared. */
  clocksReadMs: 5,
} as const;
