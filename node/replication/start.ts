/** Puts a `ShardHost` into the replication home: waits for the agent's word, reports to it, listens for peers. */

import { createHash } from 'node:crypto';
import type { Server } from 'node:net';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { LeaseStore } from '@r-db/leases/store.ts';
import type { PeerRefusal } from '@r-db/proto/generated/rdb/v1/peer.ts';
import type { FromHost, HostLink, Order } from '../agent/link.ts';
import type { NodeAddresses, NodeIdentity, Topology } from '../agent/types.ts';
import type { Outcome } from './batches.ts';
import type { TotalLoss } from './core/io.ts';
import type { Sessions } from './core/sessions.ts';
import { type HandOverOrder, ShardHost, type ShardHostOptions } from './host.ts';
import type { HandOverRefusal } from './orders.ts';
import type { SealedBatch, ShardEngine } from './shard-runner.ts';

export interface HostInThreadOptions {
  readonly link: HostLink;
  readonly identity: NodeIdentity;
  /** Shards of the whole cluster. */
  readonly shards: number;
  readonly hashSeed: string;
  /** Until `setTotalLoss`. */
  readonly totalLoss: TotalLoss;
  readonly replication: ShardHostOptions['replication'];
  readonly engine: ShardEngine;
  /** The agent's store, over `link.leases`. */
  readonly store: LeaseStore;
  readonly scheduler: Scheduler;
  readonly atTurnEnd?: ShardHostOptions['atTurnEnd'];
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  /** For the random part of waits. */
  readonly seed: number;
  readonly onResolved: (batch: SealedBatch, outcome: Outcome) => void;
  readonly shardTime: ShardHostOptions['shardTime'];
  /** Other nodes that this one is connected to now. */
  readonly onPeers: (count: number) => void;
  readonly onAbandoned: (shard: number) => void;
  readonly onRefused: (refusal: PeerRefusal, byPeer: boolean) => void;
  /** Opens the peers' port, or ends the process. */
  readonly listen: (server: Server) => Promise<void>;
}

export interface HostInThread extends AsyncDisposable {
  /** At any time; takes effect at once. */
  setTotalLoss(totalLoss: TotalLoss): void;
  setReplication(replication: ShardHostOptions['replication']): void;
  setTopology(topology: Topology): void;
  /** The other node that leads a shard, as far as is known. */
  otherLeader(shard: number): string | undefined;
  /** What became of writes with a request ID in a shard. */
  sessions(shard: number): Sessions | undefined;
  /** Writes wait in this shard's open batch. */
  gathered(shard: number): void;
  /** Why leadership can't be given to a node; undefined: it is under way. */
  handOver(order: HandOverOrder): Promise<HandOverRefusal | undefined>;
}

/** Leads shards from the agent's `start` on, until its `shutdown`. */
export function startShardHost(options: HostInThreadOptions): HostInThread {
  const { link, identity } = options;
  let host: ShardHost | undefined;
  let { totalLoss, replication } = options;
  let topology: Topology | undefined;
  let stopping = false;
  const tell = (message: FromHost): void => link.orders.postMessage(message);
  const begin = (ended: readonly string[]): void => {
    if (stopping || host !== undefined) return;
    const { cluster, clusterId, node, incarnation, version } = identity;
    host = new ShardHost({
      ...options,
      totalLoss,
      replication,
      cluster,
      clusterId,
      self: `${node}/${incarnation}`,
      ended,
      network: {
        self: {
          clusterId,
          node,
          incarnation,
          shards: options.shards,
          hashSeedCheck: checkOf(options.hashSeed),
          version,
        },
        onRefused: options.onRefused,
        onPeers: options.onPeers,
      },
      onReport: (report) => tell({ kind: 'report', report }),
    });
    if (host.network !== undefined) void options.listen(host.network.server);
    if (topology !== undefined) host.setAddresses(addressesOf(topology));
    host.start();
  };
  link.orders.on('message', (order: Order) => {
    if (order.kind === 'start') {
      begin(order.ended);
      return;
    }
    if (order.kind === 'tell-replicas') {
      tell({
        kind: 'replicas',
        question: order.question,
        replicas: host?.replicas() ?? [],
        followers: host?.followers() ?? [],
      });
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
    setReplication(now) {
      replication = now;
      host?.setReplication(now);
    },
    setTopology(now) {
      topology = now;
      host?.setAddresses(addressesOf(now));
    },
    otherLeader: (shard) => host?.otherLeader(shard),
    sessions: (shard) => host?.sessions(shard),
    gathered: (shard) => host?.gathered(shard),
    handOver: async (order) =>
      host === undefined
        ? { reason: 'SHARD_MOVING', message: 'this node has not begun yet' }
        : host.handOver(order),
    async [Symbol.asyncDispose]() {
      link.orders.close();
      await host?.[Symbol.asyncDispose]();
    },
  };
}

/** Equal for equal seeds, and tells nothing of them. */
function checkOf(hashSeed: string): bigint {
  return createHash('sha256').update(hashSeed.toLowerCase()).digest().readBigUInt64LE();
}

function addressesOf({ nodes }: Topology): Map<string, NodeAddresses> {
  const addresses = new Map<string, NodeAddresses>();
  for (const { name, addresses: known } of nodes) {
    if (known !== undefined) addresses.set(name, known);
  }
  return addresses;
}
