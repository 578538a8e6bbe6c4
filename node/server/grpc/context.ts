/** What the gRPC services of a data thread work with. */
import type { Topology } from '../../agent/types.ts';
import type { Engine } from '../../engine/types.ts';
import type { Batches } from '../../replication/batches.ts';
import type { Sessions } from '../../replication/core/sessions.ts';
import type { HandOverOrder } from '../../replication/host.ts';
import type { HandOverRefusal } from '../../replication/orders.ts';

export interface Clock {
  /** Milliseconds since the Unix epoch: shard time. A whole number. */
  nowMs(): number;
  /** The clock that `readUntilMs` of control blocks is on. */
  monotonicMs(): number;
}

/** The topology as this thread last heard of it. */
export interface TopologySource {
  /** Undefined until the first one has come. */
  current(): Topology | undefined;
  /** Calls `listener` after each change; the function returned ends it. */
  subscribe(listener: () => void): () => void;
}

export interface GrpcIdentity {
  readonly cluster: string;
  readonly node: string;
  readonly incarnation: string;
  readonly version: string;
}

/** What only the process as a whole knows, for Cluster.Stats. */
export interface ProcessFigures {
  readonly uptimeMs: number;
  /** Open client connections of all threads, RESP and gRPC. */
  readonly connections: number;
}

export interface GrpcContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly topology: TopologySource;
  readonly identity: GrpcIdentity;
  readonly figures: () => ProcessFigures;
  readonly parking: Parking;
  readonly batches: Batches;
  /** The other node that leads a shard, where more is known than the topology tells yet. */
  readonly otherLeader: (shard: number) => string | undefined;
  /** What became of writes with a request ID in a shard. */
  readonly sessions: (shard: number) => Sessions | undefined;
  /** Gives leadership to a node; why not, if it can't be. What comes of it, the topology tells. */
  readonly handOver: (order: HandOverOrder) => Promise<HandOverRefusal | undefined>;
  /**
   * Something failed between a write and the record of it: sent again, it would be executed again. Ends this process;
   * what was not replicated goes with it.
   */
  readonly onUnrecorded: (fault: unknown) => void;
  /** Aborts when the node drains: calls that have no end of their own end then. */
  readonly closing: AbortSignal;
}

/** Counts the operations of a thread that wait for shards: the bound on what waiting costs. */
export class Parking {
  readonly #operationsMax: number;
  readonly #bytesMax: number;
  #operations = 0;
  #bytes = 0;

  constructor({ operationsMax, bytesMax }: { operationsMax: number; bytesMax: number }) {
    this.#operationsMax = operationsMax;
    this.#bytesMax = bytesMax;
  }

  get operations(): number {
    return this.#operations;
  }

  /** False: there is no room. Whoever enters leaves with the same numbers. One batch always fits an empty parking. */
  enter(operations: number, bytes: number): boolean {
    const fits =
      this.#operations + operations <= this.#operationsMax && this.#bytes + bytes <= this.#bytesMax;
    if (!fits && this.#operations > 0) return false;
    this.#operations += operations;
    this.#bytes += bytes;
    return true;
  }

  leave(operations: number, bytes: number): void {
    this.#operations -= operations;
    this.#bytes -= bytes;
  }
}
