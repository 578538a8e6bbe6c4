/** Every bound of serving: unit in the name, reason beside it, relations asserted at import. */

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

export const serverLimits = {
  /** Connections that the kernel completes before the thread takes them. Smaller: bursts see resets. */
  acceptBacklog: 4096,
  /**
   * Listening sockets of a thread on one port, and so connections that it takes in one turn of the event loop. Fewer: clients
   * that come at once wait for more turns. More: such a turn gets longer for those who are there already.
   */
  listenersOfThread: 16,
  /** As Redis: a peer that vanished without a word is found after this time. */
  keepAliveSeconds: 300,
  /** A begun command up to this length waits in the heap, a longer one in a counted buffer of the arena. */
  heldLocalBytesMax: 16 * kibibyte,
  /** Room that a connection keeps for begun commands, so that a stream of small ones allocates nothing. */
  heldKeptBytesMax: 512,
  /** A command may be one value of the longest kind and this much beside it (keys, framing, a batch). */
  commandOverheadBytes: mebibyte,
  /** Begun and waiting commands of one thread in the heap. Larger: slow senders cost more memory. */
  heldTotalLocalBytesMax: 64 * mebibyte,
  /** Share of the budget that begun long commands of all threads may take: data comes first. */
  heldArenaShare: 1 / 8,
  /**
   * Young generation of a data thread's heap. V8 lets it grow to several times that under load and keeps it:
   * 20 bytes a key at a million keys. Smaller: more scavenges, which are under 1 % here.
   */
  youngGenerationMebibytes: 6,
  /**
   * Chunks up to this length wait for the end of the turn, so that the waits for memory of all of them overlap.
   * Longer ones have enough commands to overlap their own.
   */
  intakeChunkBytesMax: 512,
  /** Chunks of one turn, as far as they overlap; 50 connections bring some 30. More run in two steps. */
  intakeChunksMax: 256,
  /** Room for those chunks. Larger: it is taken from the data's budget, in each thread. */
  intakeBytes: 64 * kibibyte,
  /** Up to this length a loop copies faster than a call. */
  loopCopyBytesMax: 64,
  /** Replies of one turn of the event loop, copied together. At least an output window. */
  outboxBytes: 512 * kibibyte,
  /** Outboxes that slow readers may hold on to; beyond it their replies are copied one by one. */
  outboxesHeldMax: 32,
  /** Pieces in which a long value is sent: what tells a slow reader from one that has stopped. */
  longValuePieceBytes: 256 * kibibyte,
  /** Bytes not taken by clients, all connections of a thread; beyond it the slowest is cut off. */
  unsentBytesMax: 64 * mebibyte,
  /** A client that takes nothing for this long while replies wait for it is cut off. */
  slowConsumerMs: 30_000,
  /** After the last reply a connection waits this long for the client to close its side. */
  lingerMs: 5_000,
  /** The same while the node shuts down: it has little time left. */
  drainLingerMs: 250,
  /**
   * Without a command for so long, a connection of a node that shuts down is closed: its client knows the new leader. Shorter: a
   * client that gets too little processor time to notice sends one more, which nobody answers.
   */
  drainQuietMs: 500,
  /** Then all are closed. Longer: fewer clients lose a command on its way; a pod takes longer to end. */
  drainPatienceMs: 2_000,
  /** How often the thread looks for slow consumers and lingering connections. */
  tickMs: 250,
  /** Promises that a command waits for its shard. Longer: clients of a leader that is cut off try elsewhere later. */
  patiencePromises: 1,
  /**
   * The same while leadership changes hands. Shorter: a store that takes a second, as a busy API server may, fails
   * commands of a planned hand-over. Longer: clients give up themselves.
   */
  changePatiencePromises: 2,
  /** Connections of one thread that wait for shards. More hear -BUSY at once. */
  parkedMax: 4096,
  /** Longest name or library information of a connection; larger ones are surely no names. */
  clientNameBytesMax: 1024,
  /** Keys that one SCAN looks at, whatever COUNT says: a call must not block others for long. */
  scanKeysMax: 10_000,
  /** Keys and framing of one SCAN or GETKEYSINSLOT answer. */
  scanBytesMax: mebibyte,
  /** Keys looked at between two turns of the event loop while the keys of a slot are counted. */
  countKeysSlice: 4096,
  /** Expired records removed in one go: about 0.2 ms. */
  sweepRecordsMax: 512,
  /** How often home threads look for expired keys; a full budget makes the next look come at once. */
  sweepMs: 100,
  /** Longest that a thread waits for what the others tell (CLIENT LIST). */
  askMs: 2_000,
  /** A thread that has not moved for this long makes the process unhealthy. */
  livenessMs: 30_000,
  /** Finer: more wake-ups of idle threads. */
  loopDelayResolutionMs: 20,
  /** The delays told are those of such a span. */
  loopDelayWindowMs: 5_000,
  /** HTTP requests of the metrics port at once: a scraper and probes need three. */
  httpConnectionsMax: 64,
  /** A scrape or probe that takes longer is given up. */
  httpTimeoutMs: 10_000,
  /** Verbs and codes of requests to the LeaseStore. */
  requestLabelSetsMax: 64,
  /** Kept back from the grace period for closing connections, of what handing over may take. */
  drainShare: 0.25,
} as const;

/** Upper bounds of the histogram of `rdb_kubernetes_request_duration_seconds`, seconds. */
export const requestBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds of the histogram of `rdb_command_duration_seconds`, seconds. */
export const durationBuckets: readonly number[] = [
  10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25,
  0.5, 1, 2.5,
];

function assertRelation(holds: boolean, what: string): void {
  if (!holds) throw new Error(`server limits: ${what}`);
}
assertRelation(
  serverLimits.heldKeptBytesMax <= serverLimits.heldLocalBytesMax,
  'what a connection keeps is no more than it may hold',
);
assertRelation(
  serverLimits.tickMs * 4 <= Math.min(serverLimits.lingerMs, serverLimits.slowConsumerMs),
  'the tick is finer than what it measures',
);
assertRelation(
  serverLimits.intakeChunkBytesMax <= serverLimits.intakeBytes,
  'a chunk that the intake takes has room in it',
);
assertRelation(
  serverLimits.longValuePieceBytes <= serverLimits.outboxBytes,
  'a piece of a long value is no larger than an outbox',
);
