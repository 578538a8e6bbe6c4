/**
 * Gathers operations for one node and sends them as Batch calls: what is asked for in one turn of
 * the event loop goes into one call, and while many calls are out the next ones grow.
 */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import type { BatchRequest, BatchResponse } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { batchRequest } from './batch-request.ts';
import type { Channel } from './channel.ts';
import { fromCall, fromOperationError, RdbError } from './errors.ts';
import type { Attempt } from './job.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_OPERATIONS_MAX,
  BATCHES_PER_NODE_MAX,
  SEED_TIMEOUT_MS,
} from './limits.ts';
import type { Sessions } from './sessions.ts';

export interface BatcherOptions {
  readonly channel: Channel;
  /** The session for writes that are sent first now; undefined: the nodes remember no answers. */
  readonly sessions: () => Sessions | undefined;
  /** Of attempts that are the newest of their jobs. */
  readonly onFailure: (attempt: Attempt, error: RdbError) => void;
}

export class Batcher {
  readonly #options: BatcherOptions;
  #queue: Attempt[] = [];
  #batchesOut = 0;
  #scheduled = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Whether anything waits or is out. */
  get busy(): boolean {
    return this.#queue.length > 0 || this.#batchesOut > 0;
  }

  add(attempt: Attempt): void {
    this.#queue.push(attempt);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#batchesOut < BATCHES_PER_NODE_MAX) {
      const { batch, rest } = takeBatch(this.#queue);
      this.#queue = rest;
      if (batch.length === 0) continue;
      this.#batchesOut++;
      void this.#send(batch).finally(() => {
        this.#batchesOut--;
        if (this.#queue.length > 0) this.#schedule();
      });
    }
  }

  async #send(batch: readonly Attempt[]): Promise<void> {
    const { channel, sessions } = this.#options;
    const leftMs = Math.max(1, ...batch.map(({ job }) => job.leftMs()));
    try {
      if (!channel.isReady()) await channel.ready(Math.min(SEED_TIMEOUT_MS, leftMs));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      for (const attempt of batch) {
        this.#fail(attempt, new RdbError('UNAVAILABLE', message, { cause: error }));
      }
      return;
    }
    const attempts = batch.filter((attempt) => attempt.job.isCurrent(attempt));
    if (attempts.length === 0) return;
    const jobs = attempts.map(({ job }) => job);
    const request = batchRequest(jobs, sessions());
    for (const job of jobs) job.doubts++;
    try {
      const timeoutMs = Math.max(1, ...jobs.map((job) => job.attemptMs()));
      this.#answer(attempts, await this.#call(request, timeoutMs));
    } catch (error) {
      this.#failAll(attempts, error as ServiceError);
    }
  }

  #call(request: BatchRequest, timeoutMs: number): Promise<BatchResponse> {
    const { keyValue } = this.#options.channel;
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      keyValue.batch(request, new Metadata(), { deadline }, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }

  #answer(attempts: readonly Attempt[], { results }: BatchResponse): void {
    attempts.forEach((attempt, i) => {
      const { job } = attempt;
      const outcome = results[i]?.outcome;
      if (outcome === undefined) {
        const message = `${this.#options.channel.address} left out an answer`;
        this.#fail(attempt, new RdbError('INTERNAL', message));
      } else if (outcome.$case === 'error') {
        const error = fromOperationError(outcome.value, job.operation.reads);
        // Else it is the node's word that this attempt did nothing.
        if (!isUnknown(error)) job.doubts--;
        this.#fail(attempt, error);
      } else {
        if (job.id !== undefined) job.id.session.known = true;
        job.succeed(outcome);
      }
    });
  }

  #failAll(attempts: readonly Attempt[], thrown: ServiceError): void {
    for (const attempt of attempts) {
      const { job } = attempt;
      const error = fromCall(thrown, { reads: job.operation.reads, sent: true });
      if (!isUnknown(error)) job.doubts--;
      // The call's deadline is that of its most patient operation.
      if (error.reason === 'DEADLINE_EXCEEDED' && (job.leftMs() <= 1 || !job.repeatable)) {
        if (job.isCurrent(attempt)) job.expire();
        continue;
      }
      this.#fail(attempt, error);
    }
  }

  #fail(attempt: Attempt, error: RdbError): void {
    if (attempt.job.isCurrent(attempt)) this.#options.onFailure(attempt, error);
  }
}

function isUnknown({ reason }: RdbError): boolean {
  return reason === 'OUTCOME_UNKNOWN' || reason === 'DEADLINE_EXCEEDED' || reason === 'INTERNAL';
}

/** As many of the queue, in its order, as one call may carry; what is settled or goes elsewhere by now is left out. */
function takeBatch(queue: readonly Attempt[]): { batch: Attempt[]; rest: Attempt[] } {
  const batch: Attempt[] = [];
  let bytes = 0;
  let next = 0;
  for (; next < queue.length && batch.length < BATCH_OPERATIONS_MAX; next++) {
    const attempt = queue[next];
    if (attempt === undefined || !attempt.job.isCurrent(attempt)) continue;
    const { operation } = attempt.job;
    if (batch.length > 0 && bytes + operation.bytes > BATCH_BYTES_MAX) break;
    bytes += operation.bytes;
    batch.push(attempt);
  }
  return { batch, rest: queue.slice(next) };
}
