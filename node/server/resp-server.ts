/** The RESP listener of one data thread, and all of its connections. */
import type { Socket } from 'node:net';
import type { SocketKind } from '../sockets/open.ts';
import { Client } from './client.ts';
import { describeConnection } from './commands/client-list.ts';
import { Connection } from './connection.ts';
import type { ConnectionContext, Services } from './context.ts';
import { Dispatcher } from './dispatch.ts';
import { InputAllowance } from './held-input.ts';
import { Intake } from './intake.ts';
import { serverLimits } from './limits.ts';
import { Listeners } from './listeners.ts';
import { Outbox } from './outbox.ts';
import { Parking } from './parking.ts';
import { type Answer, matches, type Question } from './questions.ts';
import type { ThreadStatistics } from './statistics.ts';

export interface RespOptions {
  readonly services: Services;
  readonly statistics: ThreadStatistics;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Several threads listen on the port. */
  readonly reusePort: boolean;
  /** This thread seals and commits batches, and calls `batchOver` after each. */
  readonly endsBatches?: boolean;
  readonly sockets?: SocketKind;
  /** Shorter times, for tests. */
  readonly times?: Times;
}

export interface Times {
  readonly slowConsumerMs: number;
  readonly lingerMs: number;
  readonly tickMs: number;
}

export class RespServer {
  readonly #services: Services;
  readonly #statistics: ThreadStatistics;
  readonly #context: ConnectionContext;
  readonly #connections = new Map<number, Connection>();
  #listeners: Listeners | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #times: Times;
  #drained: (() => void) | undefined;
  #lingerMs: number;
  /** While the node shuts down: until then only quiet connections are closed. */
  #patienceUntilMs = Number.POSITIVE_INFINITY;
  /** When the last connection came, while the node shuts down. */
  #acceptedMs = 0;

  private constructor(options: RespOptions) {
    const { services, statistics } = options;
    const { engine, clock, batches, turn } = services;
    this.#services = services;
    this.#statistics = statistics;
    this.#times = options.times ?? serverLimits;
    this.#lingerMs = this.#times.lingerMs;
    const dispatcher = new Dispatcher(services, statistics);
    const outbox = new Outbox(turn);
    this.#context = {
      engine,
      clock,
      statistics,
      outbox,
      intake: new Intake({ engine, clock, outbox, statistics, turn }),
      parking: new Parking({ engine, clock, statistics, turn }),
      batches,
      endsBatches: options.endsBatches ?? false,
      sockets: options.sockets ?? 'fastest',
      allowance: new InputAllowance(engine, statistics),
      commandBytesMax: engine.arena.options.valueBytesMax + serverLimits.commandOverheadBytes,
      choked: new Set(),
      closing: new Set(),
      settings: services.settings,
      dispatch: (connection, views, reply) => dispatcher.run(connection, views, reply),
      onClosed: (connection) => this.#closed(connection),
    };
    this.#timer = setInterval(() => this.#tick(), this.#times.tickMs).unref();
  }

  /** Rejects with the error of `listen` (EADDRINUSE, EACCES). */
  static async start(options: RespOptions): Promise<RespServer> {
    const server = new RespServer(options);
    try {
      server.#listeners = await Listeners.open({
        host: options.host,
        port: options.port,
        shared: options.reusePort,
        sockets: {
          // Replies to a client that has closed its side are still sent.
          allowHalfOpen: true,
          // The connection says when to read, and how.
          pauseOnConnect: true,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: serverLimits.keepAliveSeconds * 1000,
        },
        onConnection: (socket) => server.#accept(socket),
      });
    } catch (error) {
      clearInterval(server.#timer);
      throw error;
    }
    return server;
  }

  get port(): number {
    return this.#listeners?.port ?? 0;
  }

  /** A batch of this shard was committed or taken back. */
  batchOver(shard: number): void {
    this.#context.parking.changed(shard);
  }

  /** About the connections of this thread. */
  answer(question: Question): Answer {
    const nowMs = this.#services.clock.monotonicMs();
    const lines: string[] = [];
    for (const connection of this.#connections.values()) {
      if (!matches(connection.client, question.filter, nowMs)) {
        continue;
      }
      lines.push(describeConnection(connection, nowMs));
      if (question.kind === 'kill') {
        connection.destroy();
      }
    }
    return lines;
  }

  stopAccepting(): void {
    void this.#listeners?.close();
  }

  /**
   * Closes every connection once it is quiet and what it has asked is answered; takes new ones until none has come for a
   * while, for those that stand in line would be cut off. Resolves when none is left.
   */
  async drain(): Promise<void> {
    const nowMs = this.#services.clock.monotonicMs();
    this.#lingerMs = serverLimits.drainLingerMs;
    this.#acceptedMs = nowMs;
    this.#patienceUntilMs = nowMs + serverLimits.drainPatienceMs;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    clearInterval(this.#timer);
  }

  /** One that was used just now may have a command on its way, which would be lost. */
  #closeQuiet(): void {
    const nowMs = this.#services.clock.monotonicMs();
    const nobodyComes = nowMs - this.#acceptedMs >= serverLimits.drainQuietMs;
    if (nobodyComes || nowMs >= this.#patienceUntilMs) this.stopAccepting();
    for (const connection of this.#connections.values()) {
      const quietMs = nowMs - connection.client.activeMs;
      // Who waits for a reply will have to be told where to go, and may ask here once more.
      const isQuiet = connection.idle && quietMs >= serverLimits.drainQuietMs;
      if (isQuiet || nowMs >= this.#patienceUntilMs) connection.closeWhenIdle();
    }
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#listeners?.listening !== true && this.#connections.size === 0) this.#drained?.();
  }

  /** Cuts off whoever is left. */
  destroy(): void {
    this.stopAccepting();
    clearInterval(this.#timer);
    for (const connection of this.#connections.values()) {
      connection.destroy();
    }
    this.#checkDrained();
  }

  #accept(socket: Socket): void {
    const { statistics } = this.#context;
    if (!statistics.enter(this.#services.settings().connectionsMax)) {
      this.#refuse(socket, 'ERR max number of clients reached');
      return;
    }
    const handle = this.#services.engine.openConnection();
    if (handle === 0) {
      statistics.leave();
      this.#refuse(socket, 'OOM no memory is left for another connection');
      return;
    }
    statistics.add('connectionsAccepted', 1);
    this.#acceptedMs = this.#services.clock.monotonicMs();
    const client = new Client({
      id: statistics.nextClientId(),
      address: `${showHost(socket.remoteAddress)}:${socket.remotePort ?? 0}`,
      localAddress: `${showHost(socket.localAddress)}:${socket.localPort ?? 0}`,
      nowMs: this.#services.clock.monotonicMs(),
    });
    this.#connections.set(client.id, new Connection(this.#context, socket, handle, client));
  }

  #refuse(socket: Socket, error: string): void {
    this.#statistics.add('connectionsRefused', 1);
    socket.on('error', () => undefined);
    // What the client says is read and forgotten: else its answer would be a reset.
    socket.resume();
    socket.end(`-${error}\r\n`, () => socket.destroy());
  }

  #closed(connection: Connection): void {
    this.#context.choked.delete(connection);
    this.#context.closing.delete(connection);
    this.#connections.delete(connection.client.id);
    this.#statistics.leave();
    this.#checkDrained();
  }

  /** Cuts off who takes no replies for too long, or keeps a finished connection open. */
  #tick(): void {
    const { choked, closing, clock, statistics } = this.#context;
    const nowMs = clock.monotonicMs();
    statistics.set('movedMs', nowMs);
    let unsentBytes = 0;
    let slowest: Connection | undefined;
    for (const connection of choked) {
      unsentBytes += connection.unsentBytes;
      if (slowest === undefined || connection.chokedSinceMs < slowest.chokedSinceMs) {
        slowest = connection;
      }
      if (nowMs - connection.chokedSinceMs > this.#times.slowConsumerMs) {
        this.#cutOff(connection);
      }
    }
    statistics.set('unsentBytes', unsentBytes);
    if (this.#patienceUntilMs !== Number.POSITIVE_INFINITY) {
      // After the sockets were looked at: a timer may be late, and new connections wait behind it.
      setImmediate(() => this.#closeQuiet());
    }
    if (slowest !== undefined && unsentBytes > serverLimits.unsentBytesMax) {
      this.#cutOff(slowest);
    }
    for (const connection of closing) {
      if (nowMs - connection.closingSinceMs > this.#lingerMs && connection.unsentBytes === 0) {
        connection.destroy();
      }
    }
  }

  #cutOff(connection: Connection): void {
    if (this.#context.choked.delete(connection)) {
      this.#statistics.add('slowConsumers', 1);
      connection.destroy();
    }
  }
}

/** IPv4 addresses as people write them, also where the socket takes both families. */
function showHost(address: string | undefined): string {
  const host = (address ?? '').replace(/^::ffff:/, '');
  return host.includes(':') ? `[${host}]` : host;
}
