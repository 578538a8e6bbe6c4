/**
 * What a node answers to `GET /replicas` on its metrics port: what it holds of each shard. The operator asks for it
 * when the Lease of a shard was deleted, and must be made anew with those that hold all of its data.
 */
import { isRecord, type Member, memberOf } from './lease-fields.ts';
import { SHARDS_MAX } from './limits.ts';

export interface ReplicaState {
  readonly shard: number;
  /** It leads `epoch`, whether or not it serves already. */
  readonly leading: boolean;
  /** The highest epoch that it has seen, in Leases or messages. */
  readonly epoch: number;
  /** Of its copy; 0: it has none, or only a part of one. */
  readonly generation: number;
  /** Where its log ends, what is not known to be committed included. */
  readonly lastEpoch: number;
  readonly lastSequence: number;
  /** It has found its Lease missing, or never saw one: until then its in-sync sets may still change. */
  readonly leaseLost: boolean;
  /** Revision and in-sync set of the last Lease that it saw. */
  readonly revision: number;
  readonly inSync: readonly Member[];
}

export interface NodeReplicas {
  readonly node: string;
  readonly incarnation: string;
  /** metadata.uid of the RDbCluster. */
  readonly clusterId: string;
  /** What it keeps to now. */
  readonly minInSyncReplicas: number;
  readonly replicas: readonly ReplicaState[];
}

export function formatReplicas({ replicas, ...node }: NodeReplicas): string {
  return `${JSON.stringify({
    ...node,
    replicas: replicas.map(({ inSync, ...replica }) => ({
      ...replica,
      inSync: inSync.map((member) => `${member.node}/${member.incarnation}`),
    })),
  })}\n`;
}

/** Undefined if it is anything else. */
export function parseReplicas(text: string): NodeReplicas | undefined {
  const json = jsonOf(text);
  if (!isRecord(json)) return undefined;
  const { node, incarnation, clusterId, minInSyncReplicas } = json;
  const replicas = listOf(json['replicas'], SHARDS_MAX, replicaOf);
  const known =
    typeof node === 'string' &&
    typeof incarnation === 'string' &&
    typeof clusterId === 'string' &&
    isCount(minInSyncReplicas) &&
    memberOf(`${node}/${incarnation}`) !== undefined;
  if (!known || replicas === undefined) return undefined;
  return { node, incarnation, clusterId, minInSyncReplicas, replicas };
}

function replicaOf(json: unknown): ReplicaState | undefined {
  if (!isRecord(json)) return undefined;
  const { shard, leading, epoch, generation, lastEpoch, lastSequence, leaseLost, revision } = json;
  const inSync = listOf(json['inSync'], SHARDS_MAX, (text) =>
    typeof text === 'string' ? memberOf(text) : undefined,
  );
  const known =
    isCount(shard) &&
    typeof leading === 'boolean' &&
    isCount(epoch) &&
    isCount(generation) &&
    isCount(lastEpoch) &&
    isCount(lastSequence) &&
    typeof leaseLost === 'boolean' &&
    isCount(revision);
  if (!known || inSync === undefined) return undefined;
  return {
    shard,
    leading,
    epoch,
    generation,
    lastEpoch,
    lastSequence,
    leaseLost,
    revision,
    inSync,
  };
}

function listOf<T>(
  json: unknown,
  max: number,
  read: (one: unknown) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(json) || json.length > max) return undefined;
  const list = json.map(read).filter((one) => one !== undefined);
  return list.length === json.length ? list : undefined;
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
