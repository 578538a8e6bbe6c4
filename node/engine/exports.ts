/** What the WebAssembly module exports (assembly/index.ts). Addresses come back signed: `>>> 0`. */
export interface EngineExports {
  setUp(
    reservedBytes: number,
    budgetBytes: number,
    threads: number,
    shards: number,
    keyBytesMax: number,
    valueBytesMax: number,
    seed: bigint,
  ): number;
  defineCommand(command: number, low: bigint, high: bigint, arity: number, here: number): void;
  markReady(): void;
  isReady(): number;
  fixedBytes(reservedBytes: number, threads: number): number;
  inputAddress(thread: number): number;
  outputAddress(thread: number): number;
  registersAddress(thread: number): number;
  argumentCount(thread: number): number;
  argumentsAddress(thread: number): number;
  openConnection(thread: number): number;
  closeConnection(thread: number, connection: number): void;
  setProtocol(connection: number, version: number): void;
  execute(
    thread: number,
    connection: number,
    start: number,
    end: number,
    outputStart: number,
    nowMs: number,
    monotonicMs: number,
  ): number;
  setReadOnly(connection: number, readOnly: number): void;
  settleConnection(connection: number): void;
  loadAhead(thread: number, starts: number, chunks: number): void;
  batch(thread: number, start: number, end: number, nowMs: number, monotonicMs: number): number;
  beginReport(thread: number): void;
  scan(
    thread: number,
    shard: number,
    cursor: bigint,
    keysMax: number,
    bytesMax: number,
    withValues: number,
    nowMs: number,
    monotonicMs: number,
  ): number;
  scanCursor(thread: number): bigint;
  allocateBuffer(thread: number, bytes: number): number;
  freeBuffer(thread: number, address: number): void;
  unpin(thread: number, address: number): void;
  createShard(thread: number, shard: number): number;
  dropShard(thread: number, shard: number, recordsMax: number): number;
  publish(
    shard: number,
    role: number,
    epoch: number,
    generation: number,
    readUntilMs: number,
    writable: number,
    refuses: number,
    replicaReadable: number,
  ): void;
  shardAddress(shard: number): number;
  listen(shard: number): number;
  isQuiet(shard: number): number;
  beginRedirect(shard: number): number;
  endRedirect(shard: number, length: number): void;
  gatheredCount(thread: number): number;
  gatheredAddress(thread: number): number;
  gatheredMax(): number;
  setReplicated(thread: number, shard: number, replicated: number): number;
  seal(thread: number, shard: number): number;
  commit(thread: number, shard: number): number;
  rollback(thread: number, shard: number): number;
  batchOf(shard: number): number;
  exchangeAddress(thread: number): number;
  exchangeRegisters(thread: number): number;
  encode(thread: number, shard: number): void;
  applyContent(thread: number, shard: number, length: number): number;
  hasSpaceFor(bytes: number): number;
  applyBegin(thread: number, shard: number): number;
  apply(thread: number, shard: number, length: number, behind: number, must: number): number;
  fillAddress(thread: number): number;
  fillBytes(thread: number): number;
  effectsOf(thread: number): number;
  removals(shard: number, first: bigint, last: bigint, sequence: bigint): void;
  applyEnd(thread: number, shard: number, sequence: bigint): void;
  applyGiveUp(thread: number, shard: number): void;
  cut(thread: number, shard: number, cursor: bigint, bytesMax: number): number;
  cutCursor(thread: number): bigint;
  sweepRing(thread: number, recordsMax: number, nowMs: number): number;
  sweep(thread: number, shard: number, recordsMax: number, nowMs: number): number;
  settleShard(thread: number, shard: number): void;
  keysOf(shard: number): number;
  bytesOf(shard: number): number;
  sequenceOf(shard: number): bigint;
  expiringOf(shard: number): number;
  usedMemory(): number;
  memoryOf(kind: number): number;
  callsOf(command: number): number;
  errorsOf(command: number): number;
  expiredKeys(): number;
  flush(thread: number): void;
  slotOfKey(key: number, length: number): number;
}

/** Registers of a thread, u32 each, in the order of `Thread` in assembly/layout.ts. */
export const Register = {
  consumed: 0,
  outputEnd: 1,
  needed: 2,
  command: 3,
  shard: 4,
  reason: 5,
  address: 6,
  length: 7,
  seen: 8,
  armed: 9,
  draining: 10,
  commands: 11,
} as const;

/** Registers of an exchange, u32 each, in the order of `Thread` from `exchangeEnd` on. */
export const Exchange = {
  end: 0,
  long: 1,
  next: 2,
  entries: 3,
  bytes: 4,
  batch: 5,
  commands: 6,
  waitingLow: 7,
  waitingHigh: 8,
} as const;
export const exchangeRegisterCount = Object.keys(Exchange).length;

/** An instance over the arena's memory: any thread may make one at any time. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): EngineExports {
  const abort = (): never => {
    throw new Error('the engine aborted');
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, abort } });
  return instance.exports as unknown as EngineExports;
}
