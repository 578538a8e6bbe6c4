/**
 * The connections of this node to all others that it shares shards with: one for each pair.
 *
 * Whoever knows the other's address dials; the node with the lower name at once, the other one a little
 * later. If both did, the connection that the lower name dialed stays. When a connection breaks, both dial
 * at once: "refused" is how the end of a process becomes certain before any silence would tell.
 */

import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import type { PeerRefusal } from '@r-db/proto/generated/rdb/v1/peer.ts';
import { type Incarnation, nodeOf } from '../core/identity.ts';
import type { MessageBody, ShardMessage } from '../core/messages.ts';
import { PeerConnection, type PeerConnectionOptions } from './connection.ts';
import type { PeerIdentity } from './hello.ts';
import { limits } from './limits.ts';
import { type MessageContext, writeShardMessage } from './shard-messages.ts';
import { WireWriter } from './wire-writer.ts';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface PeersOptions {
  readonly self: PeerIdentity;
  readonly context: MessageContext;
  readonly scheduler: Scheduler;
  /** Length of a promise, milliseconds: what all waits here are parts of. */
  readonly promiseMs: () => number;
  readonly handlersOf: PeerConnectionOptions['handlersOf'];
  /** The newest incarnation of a node, and whether it can be spoken to. `refused`: its process does not listen. */
  readonly onPeer: (
    incarnation: Incarnation,
    state: 'up' | 'down' | 'refused',
    connection?: PeerConnection,
  ) => void;
  readonly onRefused: (refusal: PeerRefusal, byPeer: boolean) => void;
}

interface Node {
  readonly name: string;
  address: PeerAddress | undefined;
  up: PeerConnection | undefined;
  dialing: PeerConnection | undefined;
  /** The last that was connected. */
  incarnation: Incarnation | undefined;
  waitMs: number;
  cancelDial: (() => void) | undefined;
}

export class Peers implements Disposable {
  readonly #options: PeersOptions;
  readonly #nodes = new Map<string, Node>();
  readonly #strangers = new Set<PeerConnection>();
  readonly #dirty: PeerConnection[] = [];
  readonly #server: Server;
  /** The entries that were encoded last. */
  #encoded = new WireWriter(limits.encodedBytesKept);
  #encodedBody: MessageBody | undefined;
  #cancelTick: () => void = () => {};
  #closed = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#server = createServer({ keepAlive: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
    this.#tick();
  }

  /** Listens for other nodes; the caller opens it (`listen`). */
  get server(): Server {
    return this.#server;
  }

  /** The nodes to be connected to, by name, as far as their addresses are known. */
  want(addresses: ReadonlyMap<string, PeerAddress | undefined>): void {
    for (const [name, address] of addresses) {
      if (name === this.#options.self.node) continue;
      const node = this.#node(name);
      const before = node.address;
      node.address = address ?? before;
      if (before === undefined && address !== undefined)
        this.#dialSoon(node, this.#firstWait(name));
    }
    for (const [name, node] of this.#nodes) {
      if (addresses.has(name)) continue;
      node.cancelDial?.();
      node.address = undefined;
    }
  }

  connection(to: Incarnation): PeerConnection | undefined {
    const up = this.#nodes.get(nodeOf(to))?.up;
    return up?.peer === to ? up : undefined;
  }

  /** Sent with the next `flush`; one that is not connected gets nothing. */
  send(to: Incarnation, shard: number, message: ShardMessage): void {
    const connection = this.connection(to);
    if (connection === undefined) return;
    const { body } = message;
    if (body.kind === 'entries') {
      // Followers that are equally far get the same one.
      if (this.#encodedBody !== body) {
        this.#encoded.end = 0;
        writeShardMessage(this.#encoded, shard, message, this.#options.context);
        this.#encodedBody = body;
      }
      connection.sendEncoded(this.#encoded);
    } else {
      connection.send(shard, message);
    }
    this.touched(connection);
  }

  /** What is said on this connection goes out with the next `flush`. */
  touched(connection: PeerConnection): void {
    if (connection.touched) return;
    connection.touched = true;
    this.#dirty.push(connection);
  }

  get waiting(): boolean {
    return this.#dirty.length > 0;
  }

  flush(): void {
    this.#encodedBody = undefined;
    if (this.#encoded.buffer.length > limits.encodedBytesKept) {
      this.#encoded = new WireWriter(limits.encodedBytesKept);
    }
    for (const connection of this.#dirty) {
      connection.touched = false;
      connection.flush();
    }
    this.#dirty.length = 0;
  }

  /** Asks all peers to take this node out of every set. */
  leave(): void {
    for (const { up } of this.#nodes.values()) up?.leave(this.#options.self.incarnation);
  }

  /** Every connection starts anew: promises given before count no more. */
  reconnect(): void {
    for (const { up } of this.#nodes.values()) up?.close();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#cancelTick();
    this.#server.close();
    for (const { up, dialing, cancelDial } of this.#nodes.values()) {
      cancelDial?.();
      up?.close();
      dialing?.close();
    }
    for (const stranger of this.#strangers) stranger.close();
  }

  #node(name: string): Node {
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node: Node = {
      name,
      address: undefined,
      up: undefined,
      dialing: undefined,
      incarnation: undefined,
      waitMs: limits.dialFirstMs,
      cancelDial: undefined,
    };
    this.#nodes.set(name, node);
    return node;
  }

  #firstWait(name: string): number {
    const first = this.#options.self.node < name;
    return first ? 0 : this.#options.promiseMs() * limits.secondDialerPromises;
  }

  #dialSoon(node: Node, waitMs: number): void {
    node.cancelDial?.();
    node.cancelDial = this.#options.scheduler.after(waitMs, () => this.#dial(node));
  }

  #dial(node: Node): void {
    const { address } = node;
    if (this.#closed || address === undefined) return;
    if (node.up !== undefined || node.dialing !== undefined) return;
    const socket = dial({ ...address, keepAlive: true }).pause();
    node.dialing = this.#connect(socket, node.name);
  }

  #accept(socket: Socket): void {
    if (this.#strangers.size >= limits.strangersMax || this.#closed) {
      socket.destroy();
      return;
    }
    this.#strangers.add(this.#connect(socket, undefined));
  }

  #connect(socket: Socket, dialed: string | undefined): PeerConnection {
    const { self, context, scheduler, handlersOf, onRefused, promiseMs } = this.#options;
    const connection = new PeerConnection({
      socket,
      self,
      dialed,
      context,
      nowMs: () => scheduler.nowMs(),
      handlersOf,
      onRefused,
      onUp: (up) => this.#introduced(up),
      onClosed: (closed, error) => this.#onClosed(closed, error),
    });
    const patienceMs = dialed === undefined ? limits.helloMs : promiseMs() * limits.connectPromises;
    scheduler.after(patienceMs, () => {
      if (connection.peer === undefined) connection.close();
    });
    return connection;
  }

  #introduced(connection: PeerConnection): void {
    const peer = connection.peer as Incarnation;
    const node = this.#node(nodeOf(peer));
    this.#strangers.delete(connection);
    if (node.dialing === connection) node.dialing = undefined;
    const before = node.up;
    if (before !== undefined) {
      const same = before.peer === peer;
      if (same && this.#isPreferred(before, node) && !this.#isPreferred(connection, node)) {
        connection.close();
        return;
      }
      node.up = undefined;
      before.close();
      this.#options.onPeer(before.peer as Incarnation, 'down');
    }
    node.cancelDial?.();
    node.up = connection;
    node.incarnation = peer;
    node.waitMs = limits.dialFirstMs;
    this.#options.onPeer(peer, 'up', connection);
  }

  /** Whether the node with the lower name dialed it. */
  #isPreferred({ dialed }: PeerConnection, { name }: Node): boolean {
    return (dialed !== undefined) === this.#options.self.node < name;
  }

  #onClosed(connection: PeerConnection, error: NodeJS.ErrnoException | undefined): void {
    this.#strangers.delete(connection);
    const name = connection.dialed ?? (connection.peer && nodeOf(connection.peer));
    const node = name === undefined ? undefined : this.#nodes.get(name);
    if (node === undefined || this.#closed) return;
    if (node.up === connection) {
      node.up = undefined;
      this.#options.onPeer(connection.peer as Incarnation, 'down');
      this.#dialSoon(node, 0);
    } else if (node.dialing === connection) {
      node.dialing = undefined;
      if (error?.code === 'ECONNREFUSED' && node.incarnation !== undefined) {
        this.#options.onPeer(node.incarnation, 'refused');
      }
      this.#dialSoon(node, node.waitMs);
      node.waitMs = Math.min(node.waitMs * 2, limits.dialMostMs);
    }
  }

  /** A peer that says nothing is gone, or its connection is: another one will tell. */
  #tick(): void {
    const { scheduler, promiseMs } = this.#options;
    const silentSinceMs = scheduler.nowMs() - promiseMs() * limits.silencePromises;
    for (const { up } of this.#nodes.values()) {
      if (up !== undefined && up.heardMs < silentSinceMs) up.close();
    }
    this.#cancelTick = scheduler.after(promiseMs() / 4, () => this.#tick());
  }
}
