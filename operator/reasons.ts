/**
 * Every condition and its reasons: stable words that people script against. docs/conditions.md is
 * checked against this table, and `finding` takes no other words.
 */
interface Reason {
  /** What the condition's status is with this reason. */
  readonly status: boolean;
  readonly meaning: string;
  /** What it asks of a person; empty: nothing. */
  readonly action: string;
}

const nothing = '';

export const conditionMeanings = {
  Ready: 'Available, and the spec is carried out.',
  Available: 'Every shard has a leader that serves, and as many copies in sync as a write needs.',
  InSync: 'Every copy of every shard is in sync.',
  Balanced: 'Shards are spread evenly, and led where they should be.',
  Progressing: 'Work is going on.',
  Degraded: 'There is a fault that needs time or a person.',
  ConfigurationValid: 'The spec can be carried out.',
} as const;

export type ConditionType = keyof typeof conditionMeanings;

export const reasons = {
  Ready: {
    Ready: {
      status: true,
      meaning: 'Every shard is led and the spec is carried out.',
      action: nothing,
    },
    Creating: { status: false, meaning: 'The cluster is being made.', action: nothing },
    ConfigurationInvalid: {
      status: false,
      meaning: 'The spec can not be carried out.',
      action: 'See the condition ConfigurationValid.',
    },
    Blocked: {
      status: false,
      meaning: 'The operator can not make or change an object.',
      action: 'See the condition Degraded.',
    },
    ShardsUnavailable: {
      status: false,
      meaning: 'Some shards have no leader that serves, or too few copies in sync to take writes.',
      action: 'Wait a moment; if it stays, see the conditions Available and Degraded.',
    },
    AwaitingDataLossAcceptance: {
      status: false,
      meaning:
        'A change of the spec, or a lost shard, waits until a person accepts the loss of data.',
      action:
        'Annotate the object with rdb.dev/accept-data-loss as the message says, or undo the change.',
    },
    ReplacingNodes: {
      status: false,
      meaning: 'Nodes are being replaced, one at a time, to carry out a change of the spec.',
      action: nothing,
    },
    ChangingCopies: {
      status: false,
      meaning:
        'Copies are being added or taken away, as replicationFactor or minInSyncReplicas asks.',
      action: nothing,
    },
    Paused: {
      status: false,
      meaning: 'spec.paused is true, and the spec is not carried out.',
      action: 'Set spec.paused to false.',
    },
  },
  Available: {
    ShardsLed: {
      status: true,
      meaning: 'Every shard has a leader that serves, and minInSyncReplicas copies in sync.',
      action: nothing,
    },
    Creating: {
      status: false,
      meaning: 'The cluster has never been available yet.',
      action: nothing,
    },
    ShardsWithoutLeader: {
      status: false,
      meaning: 'Some shards have no leader that serves; the others work.',
      action: 'Wait a moment; if it stays, see the condition Degraded.',
    },
    NotEnoughInSync: {
      status: false,
      meaning:
        'Some shards have fewer copies in sync than minInSyncReplicas: they are read and not written.',
      action: 'Bring back the nodes in the message, or lower minInSyncReplicas.',
    },
  },
  InSync: {
    AllInSync: { status: true, meaning: 'Every copy of every shard is in sync.', action: nothing },
    ReplicasOutOfSync: {
      status: false,
      meaning: 'Some copies are missing or catching up.',
      action: nothing,
    },
  },
  Balanced: {
    Balanced: { status: true, meaning: 'Shards are spread evenly.', action: nothing },
    Uneven: {
      status: false,
      meaning: 'Some nodes should hold more shards than others, or lead shards that others should.',
      action: nothing,
    },
  },
  Progressing: {
    Stable: { status: false, meaning: 'There is nothing to do.', action: nothing },
    Creating: { status: true, meaning: 'Objects are being made and nodes start.', action: nothing },
    StartingNodes: { status: true, meaning: 'Nodes start.', action: nothing },
    ReplacingNodes: {
      status: true,
      meaning: 'Nodes are being replaced, one at a time.',
      action: nothing,
    },
    ChangingCopies: {
      status: true,
      meaning:
        'Copies are being added or taken away, as replicationFactor or minInSyncReplicas asks.',
      action: nothing,
    },
    CatchingUp: {
      status: true,
      meaning: 'Copies that came back catch up with their leaders.',
      action: nothing,
    },
    RestoringShards: {
      status: true,
      meaning: 'Shards or Leases that were lost are being started again.',
      action: nothing,
    },
    AwaitingDeletion: {
      status: true,
      meaning: 'An object of an earlier cluster of the same name is still being deleted.',
      action: nothing,
    },
    AwaitingDataLossAcceptance: {
      status: false,
      meaning: 'The work waits for a person.',
      action:
        'Annotate the object with rdb.dev/accept-data-loss as the message says, or undo the change.',
    },
    Blocked: {
      status: false,
      meaning: 'The work can not go on.',
      action: 'See the conditions Degraded and ConfigurationValid.',
    },
    Paused: { status: false, meaning: 'spec.paused is true.', action: 'Set spec.paused to false.' },
  },
  Degraded: {
    NoFault: { status: false, meaning: 'No fault is known.', action: nothing },
    ForeignObject: {
      status: true,
      meaning: 'An object that the cluster needs has its name, and belongs to somebody else.',
      action: 'Delete or rename that object, or make the cluster under another name.',
    },
    Forbidden: {
      status: true,
      meaning: 'The API server does not let the operator do what it must.',
      action: 'Grant the permission in the message: compare with the roles of the Helm chart.',
    },
    DataLossHeld: {
      status: true,
      meaning: 'Every copy of some shards is gone, and totalLoss is Hold.',
      action:
        'If nothing can bring the data back, annotate the object with rdb.dev/accept-data-loss and the shards in the message.',
    },
    LeasesLost: {
      status: true,
      meaning:
        'Leases of shards were deleted; they are made again once every node concerned has answered or is gone.',
      action: 'Find out who deletes Leases. If a node does not answer, see its pod.',
    },
    LeasesUnreadable: {
      status: true,
      meaning: 'Leases were edited so that nobody can read them.',
      action: 'Repair the annotation that the message names.',
    },
    NodesUnhealthy: {
      status: true,
      meaning: 'Pods fail, or have not been ready for a minute.',
      action: 'See the pods in the message: kubectl describe pod, kubectl logs.',
    },
    DataReset: {
      status: true,
      meaning: 'Shards lost all copies and were started again empty, within the last ten minutes.',
      action:
        'Load the data again if it matters. Told for ten minutes; status.lastFailovers keeps it.',
    },
    ApiErrors: {
      status: true,
      meaning: 'The API server answers the operator with errors. The data path does not need it.',
      action: 'See the API server; the operator tries again.',
    },
  },
  ConfigurationValid: {
    Valid: { status: true, meaning: 'The spec can be carried out.', action: nothing },
    NoFailureTolerated: {
      status: true,
      meaning:
        'minInSyncReplicas equals replicationFactor: while any node is away, its shards take no writes.',
      action: 'Lower minInSyncReplicas or raise replicationFactor, unless that is what you want.',
    },
    MemoryUnused: {
      status: true,
      meaning: 'Some of the memory limit can not be used in this release.',
      action: 'Lower resources.limits.memory, or take more nodes when you next make a cluster.',
    },
    Invalid: {
      status: false,
      meaning: 'The spec contradicts itself.',
      action: 'Change the spec as the message says.',
    },
    Rejected: {
      status: false,
      meaning: 'Kubernetes refuses what the spec asks for.',
      action: 'Change the spec: the message is that of the API server.',
    },
    AnnotationInvalid: {
      status: true,
      meaning: 'The annotation rdb.dev/accept-data-loss says nothing that could be done.',
      action: 'Remove it, or write what the message says.',
    },
  },
} as const satisfies Record<ConditionType, Record<string, Reason>>;

/** Every Event: reason -> what it tells. */
export const events = {
  Creating: 'The objects of the cluster are being made.',
  Available: 'Every shard has a leader, and enough copies in sync.',
  Unavailable: 'Some shards have no leader that serves, or too few copies in sync to take writes.',
  Failover: 'Shards lost their leader; other copies, which had all of the data, lead them now.',
  ShardsReset: 'Shards that lost all copies were started again empty.',
  DataLossHeld: 'Shards lost all copies and wait for a person.',
  AwaitingDataLossAcceptance: 'A change of the spec waits until a person accepts the loss of data.',
  DataLossAccepted: 'A person has accepted a loss of data; it is being carried out.',
  ReplacingNode: 'A pod is deleted so that it comes again with the new template.',
  AssignmentRepaired: 'An assignment that named no nodes of the cluster was written anew.',
  LeaseRecreated: 'A Lease that was deleted has been made again.',
  ForeignObject: 'An object with a name that the cluster needs belongs to somebody else.',
  Forbidden: 'The API server refuses a request for lack of a permission.',
  Rejected: 'The API server refuses an object as invalid.',
} as const;

export type EventReason = keyof typeof events;
