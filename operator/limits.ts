import { FAILOVER_GAP_MS, FAILOVERS_SHOWN_MAX } from '@r-db/proto/limits.ts';

/** Every bound of the operator: unit in the name, the reason beside it, relations asserted below. */
export const limits = {
  /** Of a cluster's name: the longest suffix, `-shard-1023`, still makes a DNS label of 63. */
  clusterNameCharactersMax: 52,

  /** First wait after a failed reconcile. Shorter hammers an API server that is already in trouble. */
  backoffFirstMs: 250,
  /** Longest wait. Longer, and a cluster stands still long after the cause is gone. */
  backoffMaxMs: 60_000,
  /** Share of a wait that is random, so that many clusters don't retry in step. */
  backoffJitter: 0.3,
  /** A conflict with a cache that is a moment old is tried again so many times sooner. */
  soonDivisor: 5,
  /** Events of one change come in bursts (64 Leases): wait so long and reconcile once. */
  coalesceMs: 25,
  /** Everything is looked at again so often even if no event came. Costs no writes. */
  resyncMs: 60_000,
  /** The same error of a watch is a warning once in so long; in between it is for debugging. */
  watchErrorAgainMs: 600_000,
  /** Clusters reconciled at once. More would only queue at the API server. */
  workers: 4,
  /** Clusters that the queue holds; far above what one API server carries. */
  queueKeysMax: 10_000,

  /** Requests of one reconcile under way at once. */
  requestsAtOnce: 8,
  /** One request to the API server. Its own time-out is 60 s; who waits longer only piles up. */
  requestTimeoutMs: 15_000,
  /** Failed reconciles in a row that no condition tells of: most errors pass by themselves. */
  failuresUntold: 3,
  /** One reconcile. It is abandoned and tried again after that; nothing is lost by it. */
  reconcileTimeoutMs: 120_000,

  /** From SIGTERM to the end; below the 30 s after which the kubelet kills. */
  stopMs: 20_000,

  /** Between a node's own end and the kubelet's kill. Below the least grace period of the CRD, 10 s. */
  shutdownMarginSeconds: 5,

  /** Leader election, as other operators set it: a dead leader is replaced after 15 s. */
  electionLeaseMs: 15_000,
  /** A leader that could not renew for so long stops; must be below the Lease's length. */
  electionRenewDeadlineMs: 10_000,
  electionRetryMs: 2_000,

  /** A pod that vanished without the kubelet's word may live on for so long (docs/guarantees.md). */
  vanishedMs: 30_000,
  /** A pod that is not ready for so long is a fault and no longer a start. */
  unhealthyAfterMs: 60_000,
  /** How long the condition Degraded tells of data that was lost and started again empty. */
  resetToldMs: 600_000,
  /** Takeovers of one node's shards that lie closer together than this are one failover. */
  failoverGapMs: FAILOVER_GAP_MS,
  /** A failover is told in an Event once no more shards joined it for so long. */
  failoverSettledMs: 2_000,
  /** Kubernetes forgets Events after an hour: an older failover must not be told a second time. */
  eventAgeMaxMs: 1_800_000,
  /** Kept in the status. */
  lastFailoversMax: FAILOVERS_SHOWN_MAX,
  /** Names of nodes, shards or objects that a message lists before it says how many more there are. */
  namesInMessageMax: 8,
  /** metav1.Condition allows 32768 characters. An API server's message can be long. */
  messageCharactersMax: 1024,

  /** What the operator remembers of incarnations and ended pods, for all clusters. */
  rememberedMax: 20_000,
  /** Names of Events already sent, so as not to send them again at every reconcile. */
  eventsRememberedMax: 4_096,

  /** Figures of nodes are fetched so often; the status shows them at most every 10 s. */
  figuresEveryMs: 15_000,
  figuresTimeoutMs: 2_000,
  /** A node's answer on its replicas: 1,024 shards of less than 1 KiB each. */
  replicasBytesMax: 1024 ** 2,
  replicasTimeoutMs: 2_000,
  /** Digits of keys and bytes in the status: more would write the status at every change. */
  figuresDigits: 2,

  /** What a node needs beside its data; checked by the CRD as 320 MiB + 40 MiB a thread. */
  nodeOverheadMebibytes: 320,
  threadMebibytes: 40,
  /** Data that one node can hold in this release: one arena of 4 GiB. */
  arenaBytesMax: 4 * 1024 ** 3,
  threadsMax: 64,
} as const;

function holds(condition: boolean, relation: string): void {
  if (!condition) throw new Error(`limits: ${relation} must hold`);
}

holds(limits.electionRenewDeadlineMs < limits.electionLeaseMs, 'renew deadline < Lease');
holds(limits.electionRetryMs * 2 < limits.electionRenewDeadlineMs, '2 retries < renew deadline');
holds(limits.backoffFirstMs < limits.backoffMaxMs, 'first backoff < longest');
holds(limits.requestTimeoutMs < limits.reconcileTimeoutMs, 'request < reconcile');
holds(limits.failoverSettledMs < limits.failoverGapMs, 'settled < gap');
