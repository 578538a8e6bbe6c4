/** Bounds of the shell around the replication cores: unit in the name, reason beside it. */

export const limits = {
  /**
   * Requests to the LeaseStore that the shards of one thread have out. A node that takes over hundreds of
   * shards at once would else drown an API server that has other work.
   */
  requestsInFlightMax: 16,
  /** Records freed in one turn of the event loop: about a millisecond. */
  dropRecordsMax: 2_000,
} as const;
