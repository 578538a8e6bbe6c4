/**
 * One TCP connection for each pair of processes: what is sent on it comes in order, or not at all. A cut
 * holds it up; one that lasts breaks it, and what was on its way is lost. Each end learns of that by
 * itself. A new one is made as soon as both can be reached.
 *
 * With `datagrams`, messages go beside the connections, one by one: lost, doubled and in any order.
 */

import { type Incarnation, nodeOf } from '../core/identity.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

type Deliver = (to: Process) => void;

export class Connection {
  readonly ends: readonly [Process, Process];
  open = true;
  /** When the last thing sent by each end comes to the other. */
  readonly arrivalMs: [number, number] = [0, 0];
  /** What a cut holds up, of each end. */
  readonly held: readonly [Deliver[], Deliver[]] = [[], []];

  constructor(ends: readonly [Process, Process]) {
    this.ends = ends;
  }

  other(end: Process): Process {
    return this.ends[0] === end ? this.ends[1] : this.ends[0];
  }
}

interface ConnectionsOptions {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly datagrams: boolean;
  /** The newest process of a node, dead or alive. */
  readonly newest: (node: string) => Process | undefined;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #all = new Set<Connection>();
  readonly #connecting = new Set<string>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    options.network.onHeal(() => this.#flush());
  }

  send(from: Process, to: Incarnation, deliver: Deliver): void {
    if (this.#options.datagrams) {
      this.#sendDatagram(from, to, deliver);
      return;
    }
    const connection = from.connectionTo(to);
    if (connection?.open !== true) return;
    const side = connection.ends[0] === from ? 0 : 1;
    const { world, network } = this.#options;
    const { clock } = world;
    const soonestMs = clock.nowMs + network.delayMs(from.node, nodeOf(to));
    const atMs = Math.max(connection.arrivalMs[side], soonestMs);
    connection.arrivalMs[side] = atMs;
    clock.at(atMs, () => this.#arrive(connection, side, deliver));
  }

  /** Connects two nodes again and again, until both are connected. */
  connect(one: string, other: string): void {
    const pair = one < other ? `${one} ${other}` : `${other} ${one}`;
    if (this.#connecting.has(pair)) return;
    this.#connecting.add(pair);
    this.#tryLater(one, other, pair);
  }

  /** Both ends close it, or a machine's network does. */
  break(connection: Connection, noticedMs: readonly [number, number]): void {
    if (!connection.open) return;
    connection.open = false;
    this.#all.delete(connection);
    const { clock } = this.#options.world;
    for (const [side, end] of connection.ends.entries()) {
      clock.after(noticedMs[side] ?? 0, () => end.run(() => end.disconnected(connection)));
    }
    const [one, other] = connection.ends;
    this.connect(one.node, other.node);
  }

  /** A process ended. Its machine resets its connections, or went down with it. */
  ended(process: Process): void {
    const { random } = this.#options.world;
    for (const connection of [...this.#all]) {
      if (!connection.ends.includes(process)) continue;
      if (process.refuses) this.break(connection, [random() * 5, random() * 5]);
      else this.#breakLater(connection);
    }
  }

  breakSome(part: number): void {
    const { random } = this.#options.world;
    for (const connection of [...this.#all]) {
      if (random() < part) this.break(connection, [random() * 50, random() * 50]);
    }
  }

  #tryLater(one: string, other: string, pair: string): void {
    const { world } = this.#options;
    world.clock.after(1 + world.random() * 30, () => {
      if (this.#try(one, other)) this.#connecting.delete(pair);
      else this.#tryLater(one, other, pair);
    });
  }

  #try(one: string, other: string): boolean {
    const { network, newest, world } = this.#options;
    const left = newest(one);
    const right = newest(other);
    if (left === undefined || right === undefined) return true;
    if (!left.alive && !right.alive) return true;
    if (this.#isConnected(left, right)) return true;
    if (network.isCut(one, other) || network.isCut(other, one)) return false;
    if (!left.alive || !right.alive) {
      const [dead, alive] = left.alive ? [right, left] : [left, right];
      if (dead.refuses) alive.run(() => alive.refusedBy(dead.self));
      // Its next start connects.
      return true;
    }
    if (left.paused || right.paused) return false;
    const connection = new Connection([left, right]);
    this.#all.add(connection);
    const { random, clock } = world;
    for (const end of connection.ends) {
      const peer = connection.other(end);
      clock.after(random() * 5, () => end.run(() => end.connected(connection, peer)));
    }
    return true;
  }

  #isConnected(left: Process, right: Process): boolean {
    for (const { ends } of this.#all) if (ends.includes(left) && ends.includes(right)) return true;
    return false;
  }

  #arrive(connection: Connection, side: 0 | 1, deliver: Deliver): void {
    if (!connection.open) return;
    const from = connection.ends[side];
    const to = connection.ends[1 - side] as Process;
    const held = connection.held[side];
    if (held.length > 0) {
      held.push(deliver);
    } else if (!to.alive || this.#options.network.isCut(from.node, to.node)) {
      held.push(deliver);
      this.#breakLater(connection);
    } else to.receive(connection, () => deliver(to));
  }

  /** Nothing gets through: it is given up after a while. */
  #breakLater(connection: Connection): void {
    const { world } = this.#options;
    world.clock.after(700 + world.random() * 1_500, () => {
      const stuck =
        connection.held.some((held) => held.length > 0) ||
        connection.ends.some(({ alive }) => !alive);
      if (stuck) this.break(connection, [0, world.random() * 1_500]);
    });
  }

  /** What cuts held up is sent again, in its order. */
  #flush(): void {
    const { world, network } = this.#options;
    for (const connection of this.#all) {
      for (const side of [0, 1] as const) {
        const held = connection.held[side];
        if (held.length === 0) continue;
        const from = connection.ends[side];
        const to = connection.ends[1 - side] as Process;
        world.clock.after(world.random() * 100, () => {
          if (!connection.open || !to.alive || network.isCut(from.node, to.node)) return;
          for (const deliver of held.splice(0)) to.receive(connection, () => deliver(to));
        });
      }
    }
  }

  #sendDatagram(from: Process, to: Incarnation, deliver: Deliver): void {
    const { world, network, newest } = this.#options;
    const { random, clock } = world;
    const { lost, doubled } = network.faults;
    const node = nodeOf(to);
    const copies = random() < doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (random() < lost || network.isCut(from.node, node)) continue;
      clock.after(network.delayMs(from.node, node), () => {
        if (network.isCut(from.node, node)) return;
        const process = newest(node);
        if (process?.self === to) process.run(() => deliver(process));
      });
    }
  }
}
