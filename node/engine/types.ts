/**
 * What the engine offers to the threads of a node: the seam between JavaScript and WebAssembly.
 *
 * One `Arena` (shared memory) is made by the main thread; every thread attaches an `Engine` to it.
 * Data threads are numbered 0..threads-1; the main thread attaches as `threads` (it reads statistics,
 * never data).
 *
 * JavaScript sees chunks, not commands. A connection's bytes are copied into `input` and
 * `execute` runs as many commands as it can; it stops for one of the reasons in `Stop` and the
 * registers in `result` say where. Commands that WebAssembly does not know come back as `Stop.Call`.
 */

/** Why `execute` returned. */
export const Stop = {
  /** All of the input is consumed. */
  Done: 0,
  /** The input ends inside a command: call again once `result.needed` bytes from `result.consumed` on are there. */
  Incomplete: 1,
  /** The output window is full: send it, then call again from `result.consumed`. */
  OutputFull: 2,
  /** A command for JavaScript: `result.command` (row of the command table, or -1: unknown), arguments in `result.arguments`. `consumed` is past it. */
  Call: 3,
  /** The command at `consumed` waits for shard `result.shard` (see ParkReason in `result.reason`). Nothing of it was executed. */
  Park: 4,
  /** A long value is pinned: `result.address`, `result.length`. Its RESP header is in the output; send the bytes and CRLF, then `unpin(address)`. `consumed` is past it. */
  LongValue: 5,
  /** The frame breaks the protocol or a limit: the error is in the output; send it and close. */
  ProtocolError: 6,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export const ParkReason = {
  /** Another thread holds the shard's mutex: wait with `waitForShard`. */
  Busy: 0,
  /** This node leads, or is about to lead, but may not serve the command yet: wait for a publication of the control block. */
  NotServing: 1,
  /** A batch of the shard is out for acknowledgement, or the gathered one is full. */
  Frozen: 2,
} as const;
export type ParkReason = (typeof ParkReason)[keyof typeof ParkReason];

/** What a shard's control block says; published by its home worker, read by every thread. */
export type Serving =
  /**
   * Somebody else leads (redirect known or not: `setRedirect`), or nobody. `replicaReadable`: the copy
   * here may be read by connections in read-only mode and by `get` with `anyReplica`. `freshAsOfMs`: then it has
   * all that was acknowledged before that moment (monotonic milliseconds); `generation`: of that copy.
   */
  | {
      readonly role: 'elsewhere';
      readonly replicaReadable?: boolean;
      readonly generation?: number;
      readonly freshAsOfMs?: number;
    }
  /** This node is taking over, or has just left and its successor is not heard yet: commands park. */
  | { readonly role: 'starting' }
  | {
      readonly role: 'leader';
      readonly epoch: number;
      readonly generation: number;
      /**
       * Monotonic milliseconds up to which reads are linearizable; Infinity with one copy; 0: no promise has come yet, or
       * leadership is being given away.
       */
      readonly readUntilMs: number;
      readonly writable: boolean;
      /** A follower has no memory left: commands that need some are answered out of memory. */
      readonly refuseMemory?: boolean;
      /** Too few replicas are in sync: writes are answered at once with NOREPLICAS, not parked. */
      readonly tooFewReplicas?: boolean;
    };

/** What makes an arena; structured-cloneable parts travel to the worker threads. */
export interface ArenaOptions {
  /** Address space to reserve, bytes; at most 65,535 pages of 64 KiB. Only touched pages cost memory. */
  readonly reservedBytes: number;
  /** Records, tables and buffers together may take this much; then writes that need more are refused. */
  readonly budgetBytes: number;
  /** Data threads. */
  readonly threads: number;
  /** Shards of the whole cluster (1..1024): slot s belongs to shard floor(s * shards / 16384). */
  readonly shards: number;
  /** Seeds the hash; one for each cluster, never shown to clients. */
  readonly hashSeed: bigint;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly options: ArenaOptions;
}

/** One thread's way into an arena. Not shared between threads. */
export interface Engine {
  readonly arena: Arena;
  /** This thread's input window: copy a chunk here, then `execute`. Same memory for the engine's life. */
  readonly input: Uint8Array;
  /** This thread's output window; replies are appended from the `outputStart` given. */
  readonly output: Uint8Array;
  /** Registers filled by `execute`. */
  readonly result: ExecuteResult;

  /** A connection's state (protocol version, READONLY, ...); 0 when there is no memory left. */
  openConnection(): number;
  closeConnection(connection: number): void;
  /** RESP version of the connection's replies: 2 or 3. */
  setProtocol(connection: number, version: 2 | 3): void;
  /** Whether the connection reads copies of shards that other nodes lead, where they may be read. */
  setReadOnly(connection: number, readOnly: boolean): void;
  /**
   * All batches that calls of this connection reported are resolved. Until then (from the first report
   * on) its reads of replicated shards see what is gathered there, as its own writes are in it: they
   * are reported like writes, and park with reason Frozen while the batch is out.
   */
  settleConnection(connection: number): void;
  /**
   * Runs the commands in bytes [start, end) at arena address `base` (the input window's, or a buffer's), replies from `outputStart` of the output window on.
   * `nowMs` is shard time in milliseconds since the epoch; `monotonicMs` the clock that `readUntilMs` is on.
   * All writes of the call are committed (swapped, replayed) when it returns; those to replicated shards
   * are gathered instead: `gathered` tells which batches the replies depend on.
   */
  execute(
    connection: number,
    base: number,
    start: number,
    end: number,
    outputStart: number,
    nowMs: number,
    monotonicMs: number,
  ): Stop;

  /**
   * Brings what short chunks, of any connections, will touch into the caches, all at once. Changes nothing.
   * `starts`: arena address of the addresses (u32) of chunks that lie one behind the other, and of the last one's end.
   */
  loadAhead(starts: number, chunks: number): void;

  /** A buffer in the arena, counted in the budget: for commands longer than the input window. 0: no memory. */
  allocateBuffer(bytes: number): number;
  freeBuffer(address: number): void;
  /** Bytes of the arena, a view without a copy. */
  view(address: number, length: number): Uint8Array;
  unpin(address: number): void;

  /**
   * Typed operations, for gRPC: run in order; all writes among them are committed when it returns.
   * An operation that must wait has status `park`; the caller runs it again later. It ends the call:
   * all behind it come back as `park` with its shard, unexecuted, so that none overtakes it.
   * Values in results are copies, the caller's to keep.
   */
  batch(operations: readonly Operation[], nowMs: number, monotonicMs: number): OperationResult[];
  /** Unresolved batches that the replies of this thread's last `execute`, `batch` or `sweep` depend on. */
  readonly gathered: Gathered;
  /** Live keys of one led shard from `cursor` on (0n starts; 0n back means the end), with Redis' SCAN guarantee. */
  scan(
    shard: number,
    cursor: bigint,
    options: ScanOptions,
    nowMs: number,
    monotonicMs: number,
  ): ScanResult;

  // Shards and their control blocks.
  /** Makes the shard's empty twin map, if there is none. Throws when there is no memory for it, or while it is dropped. */
  createShard(shard: number): void;
  /**
   * Frees at most `recordsMax` records of a shard that this node does not lead, and what was gathered
   * there; true when nothing is left. Reads of the copy are redirected from the first call on.
   */
  dropShard(shard: number, recordsMax: number): boolean;
  /** Publishes the shard's control block, with the order of stores that the design asks, and wakes who waits. */
  publish(shard: number, serving: Serving): void;
  serving(shard: number): Serving;
  /** Where clients are sent for a shard that another node leads ("host:port" of RESP), or undefined: CLUSTERDOWN. One thread tells. */
  setRedirect(shard: number, address: string | undefined): void;
  /** Resolves when the shard's mutex or control block changed since it was found busy, or after `timeoutMs`. Never blocks. */
  waitForShard(shard: number, timeoutMs: number): Promise<void>;
  /** Expires due keys of the shards given: at most `recordsMax`. Returns how many. */
  sweep(shards: readonly number[], recordsMax: number, nowMs: number): number;

  // Replication. One thread, the home of replication, seals, commits, takes back and applies.
  /**
   * Whether writes of the shard gather until they are committed, or commit at the end of each call.
   * False: the mutex is held just now, or a batch is unresolved; nothing changed.
   */
  setReplicated(shard: number, replicated: boolean): boolean;
  /**
   * Ends the gathered batch of a shard: writers park until it is committed or taken back. Undefined:
   * nothing is gathered (or by a leadership that has ended: `rollback`). 'busy': the mutex is held just now.
   */
  seal(shard: number): SealedBatch | 'busy' | undefined;
  /** Number of the shard's unresolved batch, or of the next one if there is none. */
  batchNumber(shard: number): number;
  /** Makes the sealed batch visible and wakes who waits. False: the mutex is held just now, try again. */
  commit(shard: number): boolean;
  /** Takes the gathered or sealed batch back and wakes who waits. False: the mutex is held just now, try again. */
  rollback(shard: number): boolean;
  /**
   * Applies whole entries to a copy that is not led here, in order; all of them become visible at once.
   * Effects that the copy has already change nothing. It may pass the budget. False: the mutex, or
   * readers of an old side, are in the way; nothing is done, try again.
   * Throws `EngineError`, nothing done: MALFORMED, OUT_OF_MEMORY (the address space is full),
   * INVALID_STATE (no copy, led here, or a batch is unresolved).
   */
  apply(shard: number, contents: readonly Uint8Array[]): boolean;
  /** Upper bound of the bytes of records and index that applying a content takes. Throws `EngineError` MALFORMED. */
  costOf(content: Uint8Array): number;
  /**
   * A piece of a snapshot, in hash order from `cursor` on (0n starts), of what is committed at one
   * moment. It ends soon after `bytesMax` (a window's length at most), but holds a long value whole.
   * Throws `EngineError` INVALID_STATE where there is no copy.
   */
  takeCut(shard: number, cursor: bigint, bytesMax: number): SnapshotCut;
  /**
   * Puts a cut's records that are newer than what the copy has. 'out-of-memory': the budget is reached,
   * nothing is done. 'busy': as `apply` with false. Throws as `apply`.
   */
  installCut(shard: number, cut: Uint8Array): 'installed' | 'out-of-memory' | 'busy';

  shardStatistics(shard: number): {
    /** Uncommitted changes included. */
    readonly keys: number;
    readonly bytes: number;
    /** Keys that expire, uncommitted ones included. */
    readonly expiring: number;
    /** Of the last committed command. */
    readonly sequence: bigint;
  };
  memoryStatistics(): Readonly<Record<MemoryKind, number>>;
  /** Counters of all threads together since the start: calls and errors for each row of the command table. */
  commandStatistics(): readonly { readonly calls: number; readonly errors: number }[];
  expiredKeys(): number;
}

/** What a call gathered. The views are valid until the thread's next call. */
export interface Gathered {
  /** 0: the replies depend on nothing that is uncommitted. */
  readonly count: number;
  /** The first `count` count. A shard stands here twice if two of its batches took part; then the later one implies the earlier. */
  readonly shards: Uint32Array;
  /** Numbers of the batches, 32 bits, rising by one (and wrapping) with each batch of a shard that is resolved. */
  readonly batches: Uint32Array;
}

export interface SealedBatch {
  readonly batch: number;
  /** Its effects, binary (docs/engine.md); the caller's own copy. */
  readonly content: Buffer;
  /** Bit n: calls of thread n depend on the batch. */
  readonly writers: bigint;
  /** Commands that changed something. */
  readonly commands: number;
}

export interface SnapshotCut {
  /** The caller's own copy. */
  readonly cut: Uint8Array;
  /** For the next cut; 0n: this was the last. */
  readonly cursor: bigint;
}

export type MemoryKind = 'budget' | 'used' | 'records' | 'index' | 'buffers' | 'reserved';

export interface ExecuteResult {
  /** Input offset of the first byte not consumed. */
  readonly consumed: number;
  /** End of the replies in the output window. */
  readonly outputEnd: number;
  readonly needed: number;
  /** Commands consumed, one for JavaScript included. */
  readonly commands: number;
  readonly command: number;
  /** Views of the arguments (the name first), valid until the next call. */
  readonly arguments: readonly Uint8Array[];
  readonly shard: number;
  readonly reason: ParkReason;
  readonly address: number;
  readonly length: number;
}

export type Operation =
  /** `anyReplica`: answered from a copy here that may be read, though another node leads. */
  | { readonly kind: 'get'; readonly key: Uint8Array; readonly anyReplica?: boolean }
  | {
      readonly kind: 'set';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      /** Absolute; undefined: none; 'keep': what the key has. */
      readonly expireAtMs?: number | 'keep';
      readonly condition?: 'if-absent' | 'if-present';
      readonly ifVersion?: bigint;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array; readonly ifVersion?: bigint }
  | { readonly kind: 'increment'; readonly key: Uint8Array; readonly by: bigint }
  | { readonly kind: 'append'; readonly key: Uint8Array; readonly value: Uint8Array }
  /** Sets (absolute), removes (null) the expiry, or reads it (undefined). */
  | { readonly kind: 'touch'; readonly key: Uint8Array; readonly expireAtMs?: number | null };

export type OperationStatus =
  | 'ok'
  | 'not-found'
  | 'condition-failed'
  | 'version-mismatch'
  | 'not-an-integer'
  | 'overflow'
  | 'out-of-memory'
  | 'too-large'
  | 'not-leader'
  | 'park'
  /** A write, while too few replicas are in sync. */
  | 'not-enough-in-sync';

export interface OperationResult {
  readonly status: OperationStatus;
  readonly shard: number;
  readonly value?: Uint8Array;
  /** Version of the key after the operation (of its last write). */
  readonly version?: bigint;
  /** increment: the new number; append: the new length. */
  readonly number?: bigint;
  readonly expireAtMs?: number;
  readonly reason?: ParkReason;
}

export interface ScanOptions {
  readonly keysMax: number;
  readonly bytesMax: number;
  /** Glob as Redis matches it. */
  readonly match?: Uint8Array;
  readonly withValues: boolean;
}

export interface ScanResult {
  readonly status: 'ok' | 'not-leader' | 'park';
  readonly cursor: bigint;
  readonly entries: readonly {
    readonly key: Uint8Array;
    readonly value?: Uint8Array;
    readonly version?: bigint;
    readonly expireAtMs?: number;
  }[];
}
