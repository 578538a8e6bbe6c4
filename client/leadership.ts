/** Orders a hand-over: asks the shard's leader, and follows it where it goes. */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import type { TransferLeadershipResponse } from '@r-db/proto/generated/rdb/v1/cluster.ts';
import { backoffMs, delay } from './backoff.ts';
import type { Channel } from './channel.ts';
import { fromCall, RdbError, retryOf } from './errors.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  HAND_OVER_RETRY_MS,
  REDIRECTS_AT_ONCE_MAX,
  SEED_TIMEOUT_MS,
} from './limits.ts';
import type { Router } from './router.ts';
import { leaderAddress } from './topology.ts';

export interface HandOver {
  readonly shard: number;
  /** Name of the node that shall lead it. */
  readonly to: string;
}

/** The new epoch. To order it twice does no harm: the second time the node leads already. */
export async function transferLeadership(
  router: Router,
  order: HandOver,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<number> {
  const begunMs = performance.now();
  const endMs = begunMs + timeoutMs;
  let redirects = 0;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const leftMs = Math.max(1, endMs - performance.now());
    try {
      const topology = router.follower.current;
      const address = topology && leaderAddress(topology, order.shard);
      if (address === undefined)
        throw new RdbError('NO_LEADER', `no node is known to lead shard ${order.shard}`);
      return await ask(router.channel(address), order, leftMs);
    } catch (thrown) {
      const error =
        thrown instanceof RdbError
          ? thrown
          : fromCall(thrown as ServiceError, { reads: true, sent: true });
      if (error.leader !== undefined) router.follower.hint(error.leader);
      if (retryOf(error.reason) === 'elsewhere' && ++redirects <= REDIRECTS_AT_ONCE_MAX) continue;
      const range = { minMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX };
      const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, range, Math.random));
      const isRefused = error.reason === 'SHARD_MOVING';
      // It has had its time: whoever ordered it is to know what stands against it.
      if (isRefused && performance.now() - begunMs >= HAND_OVER_RETRY_MS) throw error;
      if (!error.retryable || waitMs >= endMs - performance.now()) throw error;
      await delay(waitMs, signal);
    }
  }
}

async function ask(channel: Channel, { shard, to }: HandOver, leftMs: number): Promise<number> {
  try {
    await channel.ready(Math.min(SEED_TIMEOUT_MS, leftMs));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new RdbError('UNAVAILABLE', message, { cause: error });
  }
  const deadline = Date.now() + leftMs;
  const { epoch } = await new Promise<TransferLeadershipResponse>((resolve, reject) => {
    channel.cluster.transferLeadership(
      { shard, to },
      new Metadata(),
      { deadline },
      (error, response) => {
        if (error) reject(error);
        else resolve(response);
      },
    );
  });
  return Number(epoch);
}
