/**
 * Runs a batch on the engine. Operations that must wait for a shard are parked, unexecuted, and tried
 * again when the shard moved; the answer is complete when all of them are, or have waited too long.
 */
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type {
  BatchRequest,
  OperationResult as WireResult,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { keyToShard } from '@r-db/proto/slots.ts';
import { type Operation, type OperationResult, ParkReason } from '../../engine/types.ts';
import type { RequestId } from '../../replication/core/sessions.ts';
import { Commits } from './commits.ts';
import type { GrpcContext } from './context.ts';
import {
  ANSWER_BYTES_MAX,
  BATCH_BYTES_MAX,
  BATCH_OPERATIONS_MAX,
  COMMIT_MS_MAX,
  FIRST_READS_MAX,
  PARK_MS_MAX,
  PARK_STEP_MS_MAX,
  READS_MAX,
} from './limits.ts';
import { type Accepted, acceptOperation, checkRequestId, operationBytes } from './operations.ts';
import { errorResult, toWire } from './results.ts';
import { Retries, requestIdOf } from './retries.ts';
import { operationError } from './status.ts';

export interface Patience {
  /** On the context's monotonic clock: when whoever asked stops waiting. */
  readonly deadlineMs: number;
  /** True when nobody waits for the answer any more. */
  cancelled(): boolean;
}

type Ready = Extract<Accepted, { operation: unknown }>;

interface Pending {
  readonly index: number;
  readonly ready: Ready;
  /** Of a write that happens once, however often it is sent. */
  readonly id: RequestId | undefined;
  /** Of the last try, if it was made. */
  parked?: OperationResult;
}

/** The operation that parked, if one did: nothing behind it was executed. */
interface Executed {
  readonly parked: Pending | undefined;
  readonly why: OperationResult | undefined;
}

/** One result for each operation, or why the batch as a whole was refused. */
export async function runBatch(
  context: GrpcContext,
  batch: BatchRequest,
  patience: Patience,
): Promise<WireResult[] | OperationError> {
  const refused = checkBatch(batch);
  if (refused !== undefined) return refused;
  const run = new BatchRun(context, batch);
  let waiting = run.attempt(run.accepted);
  if (waiting.length > 0) {
    const bytes = waiting.reduce(
      (sum, { index }) => sum + operationBytes(batch.operations[index]?.request),
      0,
    );
    const operations = waiting.length;
    if (context.parking.enter(operations, bytes)) {
      try {
        waiting = await run.waitFor(waiting, patience);
      } finally {
        context.parking.leave(operations, bytes);
      }
    }
    run.giveUp(waiting);
  }
  await run.settle(patience);
  return run.results;
}

function checkBatch(batch: BatchRequest): OperationError | undefined {
  const { operations } = batch;
  if (operations.length > BATCH_OPERATIONS_MAX) {
    return operationError(
      'TOO_LARGE',
      `the batch has ${operations.length} operations; at most ${BATCH_OPERATIONS_MAX} are allowed`,
    );
  }
  if (operations.length > 1) {
    let bytes = 0;
    for (const { request } of operations) bytes += operationBytes(request);
    if (bytes > BATCH_BYTES_MAX) {
      return operationError(
        'TOO_LARGE',
        `the batch has ${bytes} bytes of keys and values; at most ${BATCH_BYTES_MAX} are allowed, or one operation`,
      );
    }
  }
  return checkRequestId(batch.requestId);
}

class BatchRun {
  readonly results: WireResult[];
  readonly accepted: Pending[] = [];
  readonly #context: GrpcContext;
  readonly #commits = new Commits();
  readonly #retries: Retries;
  readonly #generations = new Map<number, number>();
  #answerBytes = 0;

  constructor(context: GrpcContext, batch: BatchRequest) {
    const { keyBytesMax, valueBytesMax } = context.engine.arena.options;
    const options = { nowMs: context.clock.nowMs(), keyBytesMax, valueBytesMax };
    this.#context = context;
    this.#retries = new Retries(context);
    this.results = new Array<WireResult>(batch.operations.length);
    batch.operations.forEach(({ request }, index) => {
      const accepted = acceptOperation(request, batch, options);
      if ('error' in accepted) this.results[index] = errorResult(accepted.error);
      else {
        const own = request?.$case === 'get' ? undefined : request?.value.requestId;
        const given = isWrite(accepted.operation) ? batch.requestId : undefined;
        this.accepted.push({ index, ready: accepted, id: requestIdOf(own, given, index) });
      }
    });
  }

  /** Runs them once, in their order; gives back those that must wait. */
  attempt(pending: readonly Pending[]): Pending[] {
    const waiting: Pending[] = [];
    const parkedShards = new Set<number>();
    this.#generations.clear();
    let readsMax = FIRST_READS_MAX;
    for (let from = 0; from < pending.length; ) {
      const group = this.#takeGroup(pending, from, readsMax);
      const parked = this.#runGroup(group, parkedShards, waiting);
      // The engine executes nothing behind one that parks: what stands there on other shards is next.
      from = parked === undefined ? from + group.length : pending.indexOf(parked, from) + 1;
      readsMax = this.#readsThatFit(group, readsMax);
    }
    return waiting;
  }

  /** One engine call. The operation that parked, if one did; what stands behind it is untouched then. */
  #runGroup(
    group: readonly Pending[],
    parkedShards: Set<number>,
    waiting: Pending[],
  ): Pending | undefined {
    const held = new Map<Pending, OperationResult>();
    const runnable = group.filter((one) => this.#mayRun(one, parkedShards, held));
    // Before it is read: the home thread may make a copy fresher at any moment.
    const staleness = runnable.map(({ ready }) =>
      ready.anyReplica ? this.#stalenessMs(ready) : undefined,
    );
    let executed: Executed;
    try {
      executed = this.#execute(runnable, staleness);
    } catch (fault) {
      this.#context.onUnrecorded(fault);
      throw fault;
    }
    const { parked, why: result } = executed;
    if (parked !== undefined && result !== undefined) {
      held.set(parked, result);
      parkedShards.add(result.shard);
    }
    const last = parked === undefined ? group.length : group.indexOf(parked) + 1;
    for (const one of group.slice(0, last)) {
      const why = held.get(one);
      if (why !== undefined) waiting.push({ ...one, parked: why });
    }
    return parked;
  }

  /** One engine call, and the record of what it did: the one must not be without the other. */
  #execute(runnable: readonly Pending[], staleness: readonly (number | undefined)[]): Executed {
    const { clock, engine, batches } = this.#context;
    const results = engine.batch(
      runnable.map(({ ready }) => ready.operation),
      clock.nowMs(),
      clock.monotonicMs(),
    );
    const uncommitted = batches.promises();
    const parkedAt = results.findIndex(({ status }) => status === 'park');
    const executed = parkedAt < 0 ? runnable.length : parkedAt;
    for (let i = 0; i < executed; i++) {
      const [one, result] = [runnable[i], results[i]];
      if (one === undefined || result === undefined)
        throw new Error('the engine left out a result');
      this.#answer(one, result, staleness[i]);
      const outcome = uncommitted?.get(result.shard);
      if (outcome !== undefined) this.#commits.add(one.index, result.shard, outcome);
      this.#record(one, result);
    }
    for (const one of runnable.slice(executed)) this.#abandon(one);
    this.#retries.settle((shard) => uncommitted?.has(shard) === true);
    return { parked: runnable[executed], why: results[executed] };
  }

  /** The answer of a write that changed something is kept with it. */
  #record({ index, ready, id }: Pending, { status, shard }: OperationResult): void {
    const result = this.results[index];
    if (id === undefined || result === undefined) return;
    this.#retries.record(shard, id, {
      result,
      changed: status === 'ok' && isWrite(ready.operation),
    });
  }

  #abandon({ ready, id }: Pending): void {
    if (id !== undefined) this.#retries.abandon(this.#shardOf(ready), id);
  }

  #shardOf({ operation }: Ready): number {
    return keyToShard(operation.key, this.#context.engine.arena.options.shards);
  }

  /** Tries again and again; gives back what still waits at the end. */
  async waitFor(pending: Pending[], patience: Patience): Promise<Pending[]> {
    const { clock, engine } = this.#context;
    const untilMs = Math.min(patience.deadlineMs, clock.monotonicMs() + PARK_MS_MAX);
    let waiting = pending;
    while (waiting.length > 0 && !patience.cancelled()) {
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) break;
      // All must be done before the answer goes, so it is enough to wait for one of the shards.
      const shard = waiting[0]?.parked?.shard ?? 0;
      await engine.waitForShard(shard, Math.min(leftMs, PARK_STEP_MS_MAX));
      // A shard that changes all the time must not keep the sockets from their turn.
      await new Promise(setImmediate);
      waiting = this.attempt(waiting);
    }
    return waiting;
  }

  /** What was written counts once it is committed. */
  async settle({ deadlineMs }: Patience): Promise<void> {
    if (!this.#commits.pending) return;
    const leftMs = Math.min(deadlineMs - this.#context.clock.monotonicMs(), COMMIT_MS_MAX);
    await this.#commits.settle(leftMs, (index, error) => {
      this.results[index] = errorResult(error);
    });
  }

  /** Answers what waited in vain, or found no room to wait. */
  giveUp(waiting: readonly Pending[]): void {
    for (const one of waiting) {
      const parked = one.parked ?? { status: 'park', shard: 0, reason: ParkReason.Busy };
      this.#answer(one, parked);
    }
  }

  /** The next operations for one engine call: as many as there are, but only so many reads. */
  #takeGroup(pending: readonly Pending[], from: number, readsMax: number): readonly Pending[] {
    let reads = 0;
    let to = from;
    for (; to < pending.length; to++) {
      if (pending[to]?.ready.operation.kind === 'get' && ++reads > readsMax) break;
    }
    return pending.slice(from, to);
  }

  /** False: it was answered here, or put behind a parked one of its shard, whose order it must keep. */
  #mayRun(one: Pending, parkedShards: Set<number>, held: Map<Pending, OperationResult>): boolean {
    const { operation, ifVersion } = one.ready;
    if (operation.kind === 'get' && this.#answerBytes > ANSWER_BYTES_MAX) {
      this.results[one.index] = answerFull();
      return false;
    }
    if (ifVersion === undefined && parkedShards.size === 0 && one.id === undefined) return true;
    const shard = this.#shardOf(one.ready);
    if (parkedShards.has(shard)) {
      held.set(one, { status: 'park', shard, reason: ParkReason.Busy });
      return false;
    }
    if (!this.#leads(shard)) return true;
    if (one.id !== undefined) {
      const begun = this.#retries.begin(shard, one.id);
      if (begun.kind === 'result') this.results[one.index] = begun.result;
      if (begun.kind === 'wait') {
        held.set(one, { status: 'park', shard, reason: ParkReason.Frozen });
        parkedShards.add(shard);
      }
      if (begun.kind !== 'run') return false;
    }
    if (ifVersion === undefined) return true;
    const generation = this.#generation(shard);
    if (generation === ifVersion.generation) return true;
    this.#abandon(one);
    const message = `shard ${shard} lost its data and began again empty since that version was given out`;
    this.results[one.index] = errorResult(operationError('GENERATION_CHANGED', message));
    return false;
  }

  /** `stalenessMs`: how old what was read may be; undefined: it is not a read of any replica. */
  #answer({ index, ready }: Pending, result: OperationResult, stalenessMs?: number): void {
    const bytes = result.value?.length ?? 0;
    if (this.#answerBytes > 0 && this.#answerBytes + bytes > ANSWER_BYTES_MAX && bytes > 0) {
      this.#answerBytes += bytes;
      this.results[index] = answerFull();
      return;
    }
    this.#answerBytes += bytes;
    const details = { generation: this.#generation(result.shard), stalenessMs };
    this.results[index] = toWire(this.#context, ready.operation, result, details);
  }

  /** After a group: how many more reads are likely to fit, going by the size of those so far. */
  #readsThatFit(group: readonly Pending[], before: number): number {
    const each = Math.max(1, this.#answerBytes / Math.max(1, group.length));
    const left = Math.max(0, ANSWER_BYTES_MAX - this.#answerBytes);
    return Math.max(1, Math.min(READS_MAX, before * 16, Math.floor(left / each)));
  }

  #leads(shard: number): boolean {
    return this.#context.engine.serving(shard).role === 'leader';
  }

  /** How old the copy here may be: at a leader as old as its promises. */
  #stalenessMs(ready: Ready): number {
    const nowMs = this.#context.clock.monotonicMs();
    const serving = this.#context.engine.serving(this.#shardOf(ready));
    if (serving.role === 'starting') return 0; // It parks.
    const asOfMs = serving.role === 'leader' ? serving.readUntilMs : (serving.freshAsOfMs ?? 0);
    return Math.max(0, Math.ceil(nowMs - asOfMs));
  }

  #generation(shard: number): number {
    const known = this.#generations.get(shard);
    if (known !== undefined) return known;
    const serving = this.#context.engine.serving(shard);
    const generation = serving.role === 'starting' ? 0 : (serving.generation ?? 0);
    this.#generations.set(shard, generation);
    return generation;
  }
}

/** Touch without an expiry only reads it. */
function isWrite(operation: Operation): boolean {
  if (operation.kind === 'touch') return operation.expireAtMs !== undefined;
  return operation.kind !== 'get';
}

function answerFull(): WireResult {
  const message = `the answer already has ${ANSWER_BYTES_MAX} bytes of values: ask for fewer keys at once`;
  return errorResult(operationError('OVERLOADED', message, { retryAfterMs: 0 }));
}
