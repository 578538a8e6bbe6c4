/** Results of a call that count only once the batch of their shard is committed. */
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type { Outcome } from '../../replication/batches.ts';
import { RETRY_AFTER_MS } from './limits.ts';
import { operationError } from './status.ts';

interface Uncommitted {
  readonly index: number;
  readonly shard: number;
  readonly outcome: Promise<Outcome>;
}

export class Commits {
  readonly #uncommitted: Uncommitted[] = [];

  /** The result at `index` stands for nothing until then. */
  add(index: number, shard: number, outcome: Promise<Outcome>): void {
    this.#uncommitted.push({ index, shard, outcome });
  }

  get pending(): boolean {
    return this.#uncommitted.length > 0;
  }

  /** Tells of each result that does not stand. Whoever waits too long knows nothing of those still out. */
  async settle(
    leftMs: number,
    fail: (index: number, error: OperationError) => void,
  ): Promise<void> {
    if (!this.pending) return;
    const late = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => late.resolve('late'), Math.max(0, leftMs));
    for (const { index, shard, outcome } of this.#uncommitted) {
      const became = await Promise.race([outcome, late.promise]);
      if (became !== 'committed') fail(index, errorOf(became, shard));
    }
    clearTimeout(timer);
  }
}

function errorOf(became: Exclude<Outcome, 'committed'> | 'late', shard: number): OperationError {
  switch (became) {
    case 'unknown':
      return operationError(
        'OUTCOME_UNKNOWN',
        `shard ${shard} lost its leader before the write was committed: it may be kept or not`,
      );
    case 'late':
      return operationError(
        'OUTCOME_UNKNOWN',
        `the write was not committed in time: shard ${shard} waits for its replicas, and may keep it or not`,
      );
    case 'not-taken':
      return operationError('NO_LEADER', `shard ${shard} is changing its leader`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
  }
}
