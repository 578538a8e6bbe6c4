/** Every bound of the benchmarks, with its reason. Units stand last in the names. */
export const limits = {
  /** More keys than this don't fit a machine that also runs the peers. */
  keysMax: 100_000_000,
  /** The generator's own bound, so that a mistake is told before anything starts. */
  valueBytesMax: 1 << 20,
  connectionsMax: 16_384,
  pipelineMax: 4096,
  roundsMax: 100,
  secondsMax: 3600,
  requestsMax: 1_000_000_000_000,
  ratePerSecondMax: 10_000_000,
  /** The first byte of a value tells the run that wrote it: one of so many. */
  salts: 64,
  /** A server that is not ready by then has failed; the slowest start seen under load took 6 s. */
  readyTimeoutMs: 30_000,
  /** All copies in sync and led by the first of the assignment: leaders go back 30 s after their node came back in sync. */
  wholeTimeoutMs: 90_000,
  /** A round is begun anew so often when a leader changed in it, after a rest: then the store can't do it at all. */
  disturbedMax: 5,
  disturbedRestMs: 3_000,
  /** Memory that a node of a cluster may take, but for data that a command stores by the gigabyte. */
  nodeMemoryBytes: 2 * 2 ** 30,
  /** A byte of a value with its key, record, index and copy in the log takes less. */
  nodeBytesAByte: 4,
  /** A follower that is not in sync again by then has failed: twice what is promised for a gigabyte. */
  catchUpTimeoutMs: 120_000,
  /** How often a cluster is asked that changes: cheap against what it does meanwhile. */
  clusterPollMs: 50,
  /** Answers of the program that writes: a check reads every key, at a store that may be away for 20 s. */
  writerTimeoutMs: 60_000,
  /** A shard that acknowledged a write so lately is being served; writers try again every few milliseconds. */
  servedMs: 250,
  /** Watched after a kill though all is served again: a store may fail once more. */
  afterKillMs: 2_500,
  /** At least so long between a recovery and the next kill; at most double. */
  betweenKillsMs: 500,
  /** How often a starting server is asked: the resolution of a start's time. */
  readyPollMs: 2,
  /** A server gets this long to end after SIGTERM; then SIGKILL. */
  stopTimeoutMs: 10_000,
  /** Output of a child kept for messages; more is dropped from the front. */
  childOutputBytesMax: 64 * 1024,
  /** Resident memory is read once allocators have had so long to give memory back. */
  settleMs: 1_000,
  /** What a generator may need beyond the time that it measures: connecting, loading, reading back. */
  generatorGraceMs: 120_000,
} as const;
