/**
 * Why operations fail: one table for every part that answers or receives an error.
 * docs/errors.md shows it; a test compares the two.
 */
import { ErrorReason } from './generated/rdb/v1/errors.ts';

/** Domain of `google.rpc.ErrorInfo`. */
export const ERROR_DOMAIN = 'rdb.dev';

export type ReasonName = Exclude<keyof typeof ErrorReason, 'UNSPECIFIED'>;

/** What a caller may do about an error by itself. */
export type Retry =
  /** Send it to the node named in the error, at once. Nothing was done. */
  | 'elsewhere'
  /** Wait, longer each time, then send it again. Nothing was done. */
  | 'backoff'
  /** It may have happened. Send it again only with the same request ID, or if it may happen twice. */
  | 'same-request'
  /** It would fail again, or the caller must know. */
  | 'never';

export interface ErrorRow {
  /** Name of a gRPC status code. */
  readonly grpc: GrpcCode;
  /** First word of the RESP error; several where commands differ, none where RESP has no such case. */
  readonly resp: readonly string[];
  readonly retry: Retry;
  readonly meaning: string;
  readonly advice: string;
}

export type GrpcCode =
  | 'FAILED_PRECONDITION'
  | 'UNAVAILABLE'
  | 'ABORTED'
  | 'DEADLINE_EXCEEDED'
  | 'RESOURCE_EXHAUSTED'
  | 'INVALID_ARGUMENT'
  | 'OUT_OF_RANGE'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'DATA_LOSS';

export const ERRORS: Readonly<Record<ReasonName, ErrorRow>> = {
  NOT_LEADER: {
    grpc: 'FAILED_PRECONDITION',
    resp: ['MOVED'],
    retry: 'elsewhere',
    meaning: "Another node leads the key's shard; the error names it.",
    advice: 'Follow the address at once. Cluster clients do so by themselves.',
  },
  NO_LEADER: {
    grpc: 'UNAVAILABLE',
    resp: ['CLUSTERDOWN'],
    retry: 'backoff',
    meaning: 'No node leads the shard now, or this node does not know yet which.',
    advice: 'Try again, longer waits in between. If it lasts: `rdb shards`, `kubectl get leases`.',
  },
  NOT_ENOUGH_IN_SYNC: {
    grpc: 'UNAVAILABLE',
    resp: ['NOREPLICAS'],
    retry: 'backoff',
    meaning: 'Fewer replicas than `minInSyncReplicas` are in sync. Nothing was written.',
    advice: 'Try again, longer waits in between. Look at the nodes that are not Ready.',
  },
  SHARD_MOVING: {
    grpc: 'UNAVAILABLE',
    resp: ['TRYAGAIN'],
    retry: 'backoff',
    meaning: 'Leadership of the shard is being handed over, or cannot be now. Nothing was done.',
    advice:
      'Try again: a hand-over takes milliseconds. To `rdb lead` the message says what is wrong.',
  },
  OUTCOME_UNKNOWN: {
    grpc: 'ABORTED',
    resp: ['UNKNOWN'],
    retry: 'same-request',
    meaning: 'The write may or may not have happened. RESP closes the connection too.',
    advice: 'Read the key, or send the write again if it may happen twice.',
  },
  DEADLINE_EXCEEDED: {
    grpc: 'DEADLINE_EXCEEDED',
    resp: ['UNKNOWN'],
    retry: 'same-request',
    meaning: 'The deadline passed. A write may or may not have happened.',
    advice: 'Allow more time, or find out why it takes so long: `rdb status`.',
  },
  OUT_OF_MEMORY: {
    grpc: 'RESOURCE_EXHAUSTED',
    resp: ['OOM'],
    retry: 'never',
    meaning: "The memory budget of the shard's node is used up. Nothing was written.",
    advice: 'Delete or expire keys, give the pods more memory, or add nodes.',
  },
  TOO_LARGE: {
    grpc: 'INVALID_ARGUMENT',
    resp: ['ERR'],
    retry: 'never',
    meaning: 'A key, value, batch or message is over its limit; the message says which.',
    advice: 'Split it. The limits are in docs/client.md.',
  },
  INVALID: {
    grpc: 'INVALID_ARGUMENT',
    resp: ['ERR'],
    retry: 'never',
    meaning: 'The request makes no sense; the message names the field and what would be right.',
    advice: 'Correct the call.',
  },
  VERSION_MISMATCH: {
    grpc: 'FAILED_PRECONDITION',
    resp: [],
    retry: 'never',
    meaning: "The key's version is not the one that the write asked for. Nothing was written.",
    advice: 'Read the key again and decide anew.',
  },
  NOT_AN_INTEGER: {
    grpc: 'FAILED_PRECONDITION',
    resp: ['ERR'],
    retry: 'never',
    meaning: 'The value is not a signed 64-bit integer. Nothing was written.',
    advice: 'Store an integer first.',
  },
  OVERFLOW: {
    grpc: 'OUT_OF_RANGE',
    resp: ['ERR'],
    retry: 'never',
    meaning: 'The sum would be outside the signed 64-bit integers. Nothing was written.',
    advice: 'The counter is at its end: begin another one.',
  },
  UNAUTHENTICATED: {
    grpc: 'UNAUTHENTICATED',
    resp: ['NOAUTH', 'WRONGPASS'],
    retry: 'never',
    meaning: 'Who calls is not known. Comes with authentication, in a later release.',
    advice: 'Give credentials.',
  },
  PERMISSION_DENIED: {
    grpc: 'PERMISSION_DENIED',
    resp: ['NOPERM'],
    retry: 'never',
    meaning: 'Who calls is known and may not do this. Comes with authentication.',
    advice: 'Use another account, or extend its rights.',
  },
  CROSS_SLOT: {
    grpc: 'INVALID_ARGUMENT',
    resp: ['CROSSSLOT'],
    retry: 'never',
    meaning: 'The keys of a command that needs one slot are in several.',
    advice:
      'Give the keys a common hash tag, `{user1}name`; or use a gRPC batch, which has no such limit.',
  },
  OVERLOADED: {
    grpc: 'RESOURCE_EXHAUSTED',
    resp: ['BUSY'],
    retry: 'backoff',
    meaning: 'A bounded queue or answer of the node is full. The operation was not executed.',
    advice: 'Try again after the delay that the error gives, with fewer operations at once.',
  },
  SESSION_ENDED: {
    grpc: 'FAILED_PRECONDITION',
    resp: [],
    retry: 'never',
    meaning: 'The session of the request ID is over: what came of the write is not known any more.',
    advice: 'Read the key; begin a new session.',
  },
  GENERATION_CHANGED: {
    grpc: 'DATA_LOSS',
    resp: [],
    retry: 'never',
    meaning: 'The shard lost its data and began again empty since the version or token was given.',
    advice: 'Drop what was derived from the old data; begin the scan anew.',
  },
  WATCH_GAP: {
    grpc: 'DATA_LOSS',
    resp: [],
    retry: 'never',
    meaning: 'Changes between the resume token and now are gone. Comes with Watch.',
    advice: 'Read the keys again, then watch from now.',
  },
};

const NAMES = new Map<number, ReasonName>(
  (Object.keys(ERRORS) as ReasonName[]).map((name) => [ErrorReason[name], name]),
);

/** Name of a reason as on the wire; undefined for one that this version does not know. */
export function reasonName(reason: number): ReasonName | undefined {
  return NAMES.get(reason);
}

export function isReasonName(text: string): text is ReasonName {
  return Object.hasOwn(ERRORS, text);
}
