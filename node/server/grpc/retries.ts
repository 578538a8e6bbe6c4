/** Writes with a request ID, which happen once however often they are sent (rule 17): a batch's part of it. */
import type { RequestId as WireRequestId } from '@r-db/proto/generated/rdb/v1/common.ts';
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import { OperationResult as WireResult } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { RequestId } from '../../replication/core/sessions.ts';
import type { GrpcContext } from './context.ts';
import { errorResult } from './results.ts';
import { operationError } from './status.ts';

/** What is to be done with a write that has a request ID. */
export type Begun =
  | { readonly kind: 'run' }
  /** It was answered, or can't be: this is its result. */
  | { readonly kind: 'result'; readonly result: WireResult }
  /** It is in a batch that is out: ask again. */
  | { readonly kind: 'wait' };

export class Retries {
  readonly #context: GrpcContext;
  /** Shards in which something was recorded since the engine was called. */
  readonly #recorded = new Set<number>();

  constructor(context: GrpcContext) {
    this.#context = context;
  }

  /** Only on the leader: nobody else knows what was answered. */
  begin(shard: number, id: RequestId): Begun {
    const { sessions, clock } = this.#context;
    const found = sessions(shard)?.begin(id, clock.nowMs());
    switch (found?.kind) {
      case 'answered':
        return { kind: 'result', result: WireResult.decode(found.result) };
      case 'ended':
        return { kind: 'result', result: errorResult(sessionEnded(shard, id)) };
      case 'pending':
        return { kind: 'wait' };
      default:
        return { kind: 'run' };
    }
  }

  /** It was executed: kept if it changed something. */
  record(
    shard: number,
    id: RequestId,
    { result, changed }: { result: WireResult; changed: boolean },
  ) {
    const sessions = this.#context.sessions(shard);
    if (changed) {
      sessions?.record(id, WireResult.encode(result).finish());
      this.#recorded.add(shard);
    } else {
      sessions?.abandon(id);
    }
  }

  /** It waits, unexecuted, or is answered by an error. */
  abandon(shard: number, id: RequestId): void {
    this.#context.sessions(shard)?.abandon(id);
  }

  /** After each call of the engine: where a shard has one copy, what was recorded is committed with it. */
  settle(isUncommitted: (shard: number) => boolean): void {
    const { sessions, clock } = this.#context;
    for (const shard of this.#recorded) {
      if (!isUncommitted(shard)) sessions(shard)?.commitAlone(clock.nowMs());
    }
    this.#recorded.clear();
  }
}

/** That of the operation at `index` of a batch, its own or the batch's. */
export function requestIdOf(
  own: WireRequestId | undefined,
  batch: WireRequestId | undefined,
  index: number,
): RequestId | undefined {
  const id = own ?? batch;
  if (id === undefined) return undefined;
  const { session, number, answeredBelow } = id;
  return {
    session,
    number: Number(number) + (own === undefined ? index : 0),
    answeredBelow: Number(answeredBelow),
  };
}

function sessionEnded(shard: number, { number }: RequestId): OperationError {
  return operationError(
    'SESSION_ENDED',
    `shard ${shard} has forgotten the session: whether write ${number} was executed can't be told any more`,
  );
}
