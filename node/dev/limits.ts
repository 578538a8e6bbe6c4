/** Bounds of the local cluster: unit in the name, reason beside it. */
export const limits = {
  /** Processes of about 100 MB each on one machine. */
  nodesMax: 16,
  /** Milliseconds for all nodes to become ready; a start takes one or two seconds. */
  readyTimeoutMs: 30_000,
  /** Milliseconds between looks at a node that is not ready yet. */
  readyPollMs: 25,
  /** Milliseconds for a node to end after SIGTERM before it is killed. */
  stopGraceMs: 5_000,
  /** Milliseconds before a node that died is started again: at once, then doubling, as a kubelet does. */
  restartFirstMs: 100,
  restartMostMs: 10_000,
  /** Milliseconds that a node must have run for the wait to begin from the first again. */
  restartForgetMs: 10_000,
  /** Lines kept of each node, to show when it could not start. */
  logLinesKept: 20,
  /** Bytes of memory that a node may take, where nobody says otherwise. */
  memoryLimitBytes: 1024 * 1024 * 1024,
} as const;
