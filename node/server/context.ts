/** What a data thread gives to its connections and to the commands that run in JavaScript. */
import type { NodeIdentity, Topology } from '../agent/types.ts';
import type { Settings } from '../config/schema.ts';
import type { Engine } from '../engine/types.ts';
import type { Batches } from '../replication/batches.ts';
import type { SocketKind } from '../sockets/open.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import type { InputAllowance } from './held-input.ts';
import type { Intake } from './intake.ts';
import type { Outbox } from './outbox.ts';
import type { Parking } from './parking.ts';
import type { Answer, Question } from './questions.ts';
import type { Reply } from './reply.ts';
import type { ProcessStatistics, ThreadStatistics } from './statistics.ts';
import type { Turn } from './turn.ts';

/** The topology as this thread last heard of it. */
export interface TopologySource {
  /** Undefined until the first one has come. */
  current(): Topology | undefined;
  /** Calls `listener` after each change; the function returned ends it. */
  subscribe(listener: () => void): () => void;
}

export interface ConnectionContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly statistics: ThreadStatistics;
  readonly intake: Intake;
  readonly outbox: Outbox;
  readonly parking: Parking;
  readonly batches: Batches;
  /** This thread seals and commits the batches of all shards: `parking` hears of each that is over. */
  readonly endsBatches: boolean;
  readonly sockets: SocketKind;
  readonly allowance: InputAllowance;
  /** Longest command. */
  readonly commandBytesMax: number;
  /** Connections whose client takes nothing now. */
  readonly choked: Set<Connection>;
  /** Connections that have written their last reply. */
  readonly closing: Set<Connection>;
  settings(): Settings;
  /** Runs a command in JavaScript; a promise: it is not done yet. Never throws, never rejects. */
  dispatch(
    connection: Connection,
    views: readonly Uint8Array[],
    reply: Reply,
  ): Promise<void> | undefined;
  onClosed(connection: Connection): void;
}

/** What commands in JavaScript work with. */
export interface Services {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly identity: NodeIdentity;
  readonly topology: TopologySource;
  readonly statistics: ProcessStatistics;
  readonly batches: Batches;
  readonly turn: Turn;
  readonly thread: number;
  readonly threads: number;
  readonly budgetBytes: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
  settings(): Settings;
  /** Asks every thread of the process, this one included. */
  ask(question: Question): Promise<readonly Answer[]>;
}
