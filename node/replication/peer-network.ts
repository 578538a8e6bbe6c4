/** What other nodes say, brought to the cores; heartbeats and promises between this node and each of them. */

import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { PeerRefusal } from '@r-db/proto/generated/rdb/v1/peer.ts';
import { LedTable, PeerHeartbeats } from './core/heartbeats.ts';
import { type Incarnation, incarnation, nodeOf } from './core/identity.ts';
import type { Input } from './core/io.ts';
import type { Heartbeat, HeartbeatAnswer, ShardMessage } from './core/messages.ts';
import { limits } from './limits.ts';
import type { MemoryReserve } from './memory-reserve.ts';
import type { PeerConnection } from './peers/connection.ts';
import type { PeerIdentity } from './peers/hello.ts';
import type { FrameHandlers } from './peers/peer-frames.ts';
import { type PeerAddress, Peers } from './peers/peers.ts';
import type { MessageContext, ReadMessage } from './peers/shard-messages.ts';
import type { ShardRunner } from './shard-runner.ts';
import type { ShardTime } from './shard-time.ts';
import { SuspensionWatch } from './suspension.ts';

export interface PeerNetworkOptions {
  readonly self: PeerIdentity;
  readonly runners: readonly ShardRunner[];
  readonly promiseMs: number;
  readonly scheduler: Scheduler;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly shardTime: Pick<ShardTime, 'nowMs' | 'heard' | 'adjust'>;
  /** Other nodes that this one is connected to now. */
  readonly onPeers: (count: number) => void;
  readonly leases: Pick<MessageContext, 'write' | 'read'>;
  readonly reserve: MemoryReserve;
  /** Something waits for `flush`. */
  readonly onSent: () => void;
  readonly onRefused: (refusal: PeerRefusal, byPeer: boolean) => void;
}

export class PeerNetwork implements Disposable {
  readonly #options: PeerNetworkOptions;
  readonly #peers: Peers;
  readonly #table = new LedTable();
  readonly #heartbeats = new Map<PeerConnection, PeerHeartbeats>();
  /** When a node was last heard of while it led a shard. */
  readonly #leaderHeard = new Map<number, number>();
  #promiseMs: number;
  #cancelBeat = (): void => {};
  #beatAtMs = Number.POSITIVE_INFINITY;
  readonly #suspension: SuspensionWatch;
  #leaving = false;
  #closed = false;

  constructor(options: PeerNetworkOptions) {
    const { self, leases, scheduler, wallMs, onRefused } = options;
    this.#options = options;
    this.#promiseMs = options.promiseMs;
    this.#suspension = new SuspensionWatch({ monotonicMs: () => scheduler.nowMs(), wallMs });
    this.#peers = new Peers({
      self,
      context: {
        ...leases,
        self: incarnation(`${self.node}/${self.incarnation}`),
        freeBytes: () => options.reserve.freeBytes,
      },
      scheduler,
      promiseMs: () => this.#promiseMs,
      handlersOf: (connection) => this.#handlersOf(connection),
      onPeer: (peer, state, connection) => this.#peer(peer, state, connection),
      onRefused,
    });
  }

  /** To be opened by the caller. */
  get server(): Peers['server'] {
    return this.#peers.server;
  }

  want(addresses: ReadonlyMap<string, PeerAddress | undefined>): void {
    this.#peers.want(addresses);
  }

  send(to: Incarnation, shard: number, message: ShardMessage): void {
    this.#peers.send(to, shard, message);
    if (this.#peers.waiting) this.#options.onSent();
  }

  flush(): void {
    this.#peers.flush();
  }

  /** After each step of a core: a new leadership asks for promises at once. */
  led(shard: number, leading: Parameters<LedTable['set']>[1]): void {
    const { version } = this.#table;
    this.#table.set(shard, leading);
    if (this.#table.version !== version) this.#beat();
  }

  /** Of promises asked for from now on. */
  setPromiseMs(promiseMs: number): void {
    this.#promiseMs = promiseMs;
    for (const beats of this.#heartbeats.values()) beats.promiseMs = promiseMs;
    this.#beat();
  }

  /** When this node last heard of the leader of a shard, monotonic milliseconds. */
  leaderHeardMs(shard: number): number | undefined {
    return this.#leaderHeard.get(shard);
  }

  /** This node shuts down: asks all peers to remove it, until it is closed. */
  leave(): void {
    this.#leaving = true;
    this.#peers.leave();
    this.#options.scheduler.after(this.#promiseMs * limits.leavePromises, () => {
      if (!this.#closed) this.leave();
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancelBeat();
    this.#peers[Symbol.dispose]();
  }

  #peer(peer: Incarnation, state: 'up' | 'down' | 'refused', connection?: PeerConnection): void {
    for (const known of this.#heartbeats.keys()) {
      if (known.closed || (known.peer !== undefined && nodeOf(known.peer) === nodeOf(peer))) {
        this.#heartbeats.delete(known);
      }
    }
    if (connection !== undefined) {
      this.#heartbeats.set(
        connection,
        new PeerHeartbeats({ peer, table: this.#table, promiseMs: this.#promiseMs }),
      );
      if (this.#leaving) connection.leave(this.#options.self.incarnation);
      this.#beat();
    }
    this.#options.onPeers(this.#heartbeats.size);
    this.#all({ kind: 'peer', incarnation: peer, state });
  }

  #handlersOf(connection: PeerConnection): Omit<FrameHandlers, 'refusal'> {
    return {
      heartbeat: (beat, clockMs) => {
        this.#hearTime(connection, beat, clockMs);
        this.#heartbeat(connection, beat);
      },
      heartbeatAnswer: (answer) => this.#answered(connection, answer),
      message: (read) => this.#message(connection, read),
      leave: (id) => {
        if (connection.peer === undefined) return;
        const leaving = incarnation(`${nodeOf(connection.peer)}/${id}`);
        this.#all({ kind: 'leave', incarnation: leaving });
      },
    };
  }

  #message({ peer }: PeerConnection, { shard, message }: ReadMessage): void {
    const runner = this.#options.runners[shard];
    if (peer === undefined || runner === undefined) return;
    const input = { kind: 'message', from: peer, message } as const;
    runner.input(this.#hasRoom(shard, message) ? input : { ...input, noMemory: true });
  }

  /** Whether what a message brings can be applied. */
  #hasRoom(shard: number, { body }: ShardMessage): boolean {
    const { reserve } = this.#options;
    switch (body.kind) {
      case 'entries':
        return body.entries.length === 0 || reserve.take(shard, body.entries);
      case 'snapshot-cut':
        return reserve.fits(body.cut);
      default:
        return true;
    }
  }

  /** Of a node that leads something: who follows it must not be behind when it leads. */
  #hearTime({ peer }: PeerConnection, { tableVersion }: Heartbeat, clockMs: number): void {
    if (peer === undefined || tableVersion === 0 || clockMs === 0) return;
    this.#options.shardTime.heard(nodeOf(peer), clockMs);
  }

  #heartbeat(connection: PeerConnection, beat: Heartbeat): void {
    this.#checkSuspended();
    const { scheduler, runners } = this.#options;
    const nowMs = scheduler.nowMs();
    const beats = this.#heartbeats.get(connection);
    const answer = beats?.received(beat, nowMs, (row, from, untilMs) => {
      this.#leaderHeard.set(row.shard, nowMs);
      return runners[row.shard]?.core.promise(row, from, untilMs);
    });
    if (beats === undefined || answer === undefined) return;
    for (const row of beats.freshness(beat)) runners[row.shard]?.freshIf(row);
    connection.answer(answer);
    this.#touch(connection);
  }

  #answered(connection: PeerConnection, answer: HeartbeatAnswer): void {
    this.#checkSuspended();
    const { scheduler, runners } = this.#options;
    const by = connection.peer;
    const beats = this.#heartbeats.get(connection);
    if (by === undefined || beats === undefined) return;
    for (const { shard, epoch, untilMs } of beats.answered(answer, scheduler.nowMs())) {
      runners[shard]?.input({ kind: 'promised', by, epoch, untilMs });
    }
    for (const { shard, epoch } of answer.refused) {
      runners[shard]?.input({ kind: 'promise-refused', by, epoch });
    }
  }

  #beat(): void {
    const { scheduler, runners, shardTime } = this.#options;
    shardTime.adjust();
    this.#checkSuspended();
    for (const runner of runners) runner.checkMemory();
    let dueMs = Number.POSITIVE_INFINITY;
    for (const [connection, beats] of this.#heartbeats) {
      const nowMs = scheduler.nowMs();
      const beat = beats.beat(nowMs, (shard) => runners[shard]?.core.committedIfHeld(nowMs));
      if (beat !== undefined) {
        connection.heartbeat(beat, shardTime.nowMs());
        this.#touch(connection);
      }
      dueMs = Math.min(dueMs, beats.dueMs);
    }
    if (dueMs >= this.#beatAtMs || this.#closed) return;
    this.#cancelBeat();
    this.#beatAtMs = dueMs;
    this.#cancelBeat = scheduler.after(Math.max(0, dueMs - scheduler.nowMs()), () => {
      this.#beatAtMs = Number.POSITIVE_INFINITY;
      this.#beat();
    });
  }

  /** A host that stood still has another idea of time than its peers: no promise counts (rule 8). */
  #checkSuspended(): void {
    if (!this.#suspension.look()) return;
    this.#all({ kind: 'suspended' });
    // Answers to heartbeats from before give nothing.
    this.#heartbeats.clear();
    this.#peers.reconnect();
  }

  #touch(connection: PeerConnection): void {
    this.#peers.touched(connection);
    this.#options.onSent();
  }

  #all(input: Input): void {
    for (const runner of this.#options.runners) runner.input(input);
  }
}
