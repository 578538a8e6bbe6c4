/** Puts a `ShardHost` into a data thread: waits for the agent's word, reports to it. */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { LeaseStore } from '@r-db/leases/store.ts';
import type { FromHost, HostLink, Order } from '../agent/link.ts';
import type { NodeIdentity } from '../agent/types.ts';
import type { TotalLoss } from './core/io.ts';
import { ShardHost } from './host.ts';
import type { ShardEngine } from './shard-runner.ts';

export interface HostInThreadOptions {
  readonly link: HostLink;
  readonly identity: NodeIdentity;
  /** Shards of the whole cluster. */
  readonly shards: number;
  /** Until `setTotalLoss`. */
  readonly totalLoss: TotalLoss;
  readonly engine: ShardEngine;
  /** The agent's store, over `link.leases`. */
  readonly store: LeaseStore;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** For the random part of waits. */
  readonly seed: number;
}

export interface HostInThread extends AsyncDisposable {
  /** At any time; takes effect at once. */
  setTotalLoss(totalLoss: TotalLoss): void;
}

/** Leads the thread's shards from the agent's `start` on, until its `shutdown`. */
export function startShardHost(options: HostInThreadOptions): HostInThread {
  const { link, identity } = options;
  let host: ShardHost | undefined;
  let { totalLoss } = options;
  let stopping = false;
  const tell = (message: FromHost): void => link.orders.postMessage(message);
  const begin = (ended: readonly string[]): void => {
    if (stopping || host !== undefined) return;
    host = new ShardHost({
      ...options,
      ...link,
      totalLoss,
      cluster: identity.cluster,
      clusterId: identity.clusterId,
      self: `${identity.node}/${identity.incarnation}`,
      ended,
      onReport: (report) => tell({ kind: 'report', report }),
    });
    host.start();
  };
  link.orders.on('message', (order: Order) => {
    if (order.kind === 'start') {
      begin(order.ended);
      return;
    }
    stopping = true;
    void Promise.resolve(host?.shutdown()).then(() => tell({ kind: 'stopped' }));
  });
  return {
    setTotalLoss(now) {
      totalLoss = now;
      host?.setTotalLoss(now);
    },
    async [Symbol.asyncDispose]() {
      link.orders.close();
      await host?.[Symbol.asyncDispose]();
    },
  };
}
