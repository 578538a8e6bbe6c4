/**
 * Gathers operations for one node and sends them as Batch calls: what is asked for in one turn of
 * the event loop goes into one call, and while many calls are out the next ones grow.
 */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import type { BatchResponse } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { Channel } from './channel.ts';
import { fromCall, fromOperationError, RdbError } from './errors.ts';
import type { Job } from './job.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_OPERATIONS_MAX,
  BATCHES_PER_NODE_MAX,
  SEED_TIMEOUT_MS,
} from './limits.ts';

export class Batcher {
  readonly #channel: Channel;
  readonly #onFailure: (job: Job, error: RdbError) => void;
  #queue: Job[] = [];
  #batchesOut = 0;
  #scheduled = false;

  constructor(channel: Channel, onFailure: (job: Job, error: RdbError) => void) {
    this.#channel = channel;
    this.#onFailure = onFailure;
  }

  /** Whether anything waits or is out. */
  get busy(): boolean {
    return this.#queue.length > 0 || this.#batchesOut > 0;
  }

  add(job: Job): void {
    this.#queue.push(job);
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

  async #send(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) job.attempts++;
    const leftMs = Math.max(1, ...jobs.map((job) => job.leftMs()));
    try {
      if (!this.#channel.isReady()) await this.#channel.ready(Math.min(SEED_TIMEOUT_MS, leftMs));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return this.#failAll(jobs, () => new RdbError('UNAVAILABLE', message, { cause: error }));
    }
    const waiting = jobs.filter((job) => !job.settled);
    if (waiting.length === 0) return;
    for (const job of waiting) job.sent = true;
    try {
      this.#answer(waiting, await this.#call(waiting, leftMs));
    } catch (error) {
      this.#failAll(waiting, ({ operation }) =>
        fromCall(error as ServiceError, { reads: operation.reads, sent: true }),
      );
    }
  }

  #call(jobs: readonly Job[], timeoutMs: number): Promise<BatchResponse> {
    const operations = jobs.map(({ operation }) => ({ request: operation.request }));
    const request = {
      operations,
      consistency: 0 as const,
      acknowledge: 0 as const,
      requestId: undefined,
    };
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      this.#channel.keyValue.batch(request, new Metadata(), { deadline }, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }

  #answer(jobs: readonly Job[], { results }: BatchResponse): void {
    jobs.forEach((job, i) => {
      const outcome = results[i]?.outcome;
      if (outcome === undefined) {
        const message = `${this.#channel.address} left out an answer`;
        this.#onFailure(job, new RdbError('INTERNAL', message));
        return;
      }
      if (outcome.$case !== 'error') {
        job.succeed(outcome);
        return;
      }
      const error = fromOperationError(outcome.value, job.operation.reads);
      // The node's word that nothing was done.
      if (error.reason !== 'OUTCOME_UNKNOWN' && error.reason !== 'DEADLINE_EXCEEDED')
        job.sent = false;
      this.#onFailure(job, error);
    });
  }

  #failAll(jobs: readonly Job[], errorOf: (job: Job) => RdbError): void {
    for (const job of jobs) {
      if (job.settled) continue;
      const error = errorOf(job);
      // The call's deadline is that of its most patient operation.
      if (error.reason === 'DEADLINE_EXCEEDED') {
        job.expire();
        continue;
      }
      if (error.retryable && !job.operation.reads) job.sent = false;
      this.#onFailure(job, error);
    }
  }
}

/** As many of the queue, in its order, as one call may carry; what is settled already is left out. */
export function takeBatch(queue: readonly Job[]): { batch: Job[]; rest: Job[] } {
  const batch: Job[] = [];
  let bytes = 0;
  let next = 0;
  for (; next < queue.length && batch.length < BATCH_OPERATIONS_MAX; next++) {
    const job = queue[next];
    if (job === undefined || job.settled) continue;
    if (batch.length > 0 && bytes + job.operation.bytes > BATCH_BYTES_MAX) break;
    bytes += job.operation.bytes;
    batch.push(job);
  }
  return { batch, rest: queue.slice(next) };
}
