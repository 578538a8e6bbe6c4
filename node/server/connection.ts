/**
 * One RESP connection. Its bytes go to the engine a chunk at a time; what the engine says back decides
 * what comes next. At any time a connection runs, or stands still for one of the reasons in `Blocked`, or because
 * its client does not take its replies (`choked`). While it stands still it reads no more than it
 * has, so what it costs is bounded.
 */
import type { Socket } from 'node:net';
import { ParkReason, Stop } from '../engine/types.ts';
import type { Holder, Outcome } from '../replication/batches.ts';
import { openSocket } from '../sockets/open.ts';
import type { ByteSocket, SocketListener } from '../sockets/types.ts';
import type { Client } from './client.ts';
import type { ConnectionContext } from './context.ts';
import { frameEnd } from './frame.ts';
import { HeldInput } from './held-input.ts';
import { HeldReplies } from './held-replies.ts';
import type { Sender } from './intake.ts';
import { LongValue } from './long-value.ts';
import type { Recipient } from './outbox.ts';
import { type Parked, patience } from './parking.ts';
import { Reply } from './reply.ts';

type Blocked =
  /** The next command waits for its shard. */
  | 'parked'
  /** A command in JavaScript works. */
  | 'waiting'
  /** A long value is being sent. */
  | 'sending';

const lineEnd = Buffer.from('\r\n');

export class Connection implements Recipient, Parked, Sender, Holder, SocketListener {
  readonly client: Client;
  outStart = 0;
  outEnd = 0;
  holdsOutbox = false;
  parkedUntilMs = 0;
  taken = false;

  readonly #context: ConnectionContext;
  readonly #socket: ByteSocket;
  /** The engine's state of this connection. */
  readonly #handle: number;
  readonly #held: HeldInput;
  /** Bytes that make the begun command whole; 0: unknown. */
  #needed = 0;
  #blocked: Blocked | undefined;
  #parkReason: ParkReason = ParkReason.Busy;
  /** Since when the next command waits for its shard, monotonic milliseconds; 0: it does not. */
  #parkedSinceMs = 0;
  /** What it wrote last is not committed yet. */
  #uncommitted: HeldReplies | undefined;
  #choked = false;
  #chokedSinceMs = 0;
  #advancing = false;
  /** The client has closed its side: no more input. */
  #ended = false;
  /** The last reply is written: input is thrown away until the client closes. */
  #closingSinceMs = 0;
  #closed = false;
  /** When the oldest command without reply came; 0: none. */
  #arrivedMs = 0;
  #long: LongValue | undefined;

  constructor(context: ConnectionContext, socket: Socket, handle: number, client: Client) {
    this.#context = context;
    this.#handle = handle;
    this.client = client;
    this.#held = new HeldInput(context.allowance);
    this.#socket = openSocket(socket, this, context.sockets);
  }

  /** Bytes of begun and waiting commands. */
  get heldBytes(): number {
    return this.#held.length;
  }

  get unsentBytes(): number {
    return this.#socket.unsentBytes;
  }

  /** Since when the client takes nothing, monotonic milliseconds; 0: it does. */
  get chokedSinceMs(): number {
    return this.#choked ? this.#chokedSinceMs : 0;
  }

  get closingSinceMs(): number {
    return this.#closingSinceMs;
  }

  get idle(): boolean {
    return this.#runs() && !this.taken && this.outStart === this.outEnd;
  }

  // Input.

  received(chunk: Uint8Array): void {
    const { clock, intake, statistics } = this.#context;
    if (this.#closingSinceMs !== 0) {
      return;
    }
    statistics.received(chunk.length);
    if (this.taken) {
      intake.run();
    }
    if (this.#held.length === 0 && this.#runs() && intake.take(this, chunk)) {
      return;
    }
    this.#arrived(clock.monotonicMs());
    this.#receive(chunk);
  }

  /** The intake's turn ends: runs what it took from this connection. */
  runTaken(base: number, length: number, nowMs: number, monotonicMs: number): number {
    const { engine, intake } = this.#context;
    if (this.#closed || this.#closingSinceMs !== 0) {
      return 0;
    }
    this.#arrived(intake.arrivedMs);
    if (!this.#runs()) {
      // Earlier replies have filled the kernel's buffer meanwhile.
      this.#receive(engine.view(base, length));
      return 0;
    }
    const commands = this.#run(base, length, false, nowMs, monotonicMs);
    if (this.#held.length !== 0) {
      this.#advance();
    }
    return commands;
  }

  #arrived(monotonicMs: number): void {
    this.client.activeMs = monotonicMs;
    if (this.#arrivedMs === 0) {
      this.#arrivedMs = monotonicMs;
    }
  }

  #receive(chunk: Uint8Array): void {
    const { engine } = this.#context;
    const held = this.#held;
    const total = held.length + chunk.length;
    if (!this.#runs()) {
      this.#socket.pause();
      this.#hold(chunk);
    } else if (total < this.#needed || total > engine.input.length) {
      if (this.#hold(chunk)) {
        this.#advance();
      }
    } else {
      const at = held.length === 0 ? 0 : held.moveTo(engine.input);
      engine.input.set(chunk, at);
      this.#runNow(engine.input.byteOffset, total, false);
      if (this.#held.length !== 0) {
        this.#advance();
      }
    }
  }

  #runs(): boolean {
    const waits = this.#blocked !== undefined || this.#uncommitted !== undefined || this.#choked;
    return !waits && this.#closingSinceMs === 0 && !this.#closed;
  }

  /** Goes on with what is held, as far as it can. */
  #advance(): void {
    if (this.#advancing) {
      return;
    }
    this.#advancing = true;
    const { engine } = this.#context;
    const held = this.#held;
    while (this.#runs() && held.length > 0 && held.length >= this.#needed) {
      if (held.length <= engine.input.length) {
        const end = held.moveTo(engine.input);
        this.#runNow(engine.input.byteOffset, end, false);
      } else {
        this.#runNow(held.address, held.length, true);
      }
    }
    this.#advancing = false;
    if (this.#runs()) {
      this.#arrivedMs = 0;
      if (this.#ended) {
        this.#finish();
      } else if (this.#socket.isPaused) {
        this.#socket.resume();
      }
    }
  }

  /** A chunk by itself, outside of the intake. */
  #runNow(base: number, end: number, fromHeld: boolean): void {
    const { clock } = this.#context;
    const arrivedMs = this.#arrivedMs;
    const commands = this.#run(base, end, fromHeld, clock.nowMs(), clock.monotonicMs());
    this.#observe(arrivedMs, commands);
  }

  #observe(arrivedMs: number, commands: number): void {
    const { clock, statistics } = this.#context;
    if (commands > 0) {
      const nowMs = clock.monotonicMs();
      // Its replies came later than its commands.
      this.client.activeMs = nowMs;
      statistics.observe((nowMs - arrivedMs) / 1000, commands);
    }
  }

  /** Runs commands in bytes [0, end) at `base`, keeps what is left; returns how many have their replies. */
  #run(base: number, end: number, fromHeld: boolean, nowMs: number, monotonicMs: number): number {
    const { batches, engine, outbox } = this.#context;
    const { result } = engine;
    const { client } = this;
    let at = 0;
    let commands = 0;
    let stop: Stop;
    do {
      const silent = client.replies !== 'on';
      const skipping = client.replies === 'skip';
      const changes = client.replyChanges;
      const limit = skipping ? this.#oneCommand(base, at, end) : end;
      stop = engine.execute(this.#handle, base, at, limit, 0, nowMs, monotonicMs);
      const { consumed, outputEnd } = result;
      const advanced = consumed !== at;
      at = consumed;
      commands += result.commands;
      if (advanced) {
        this.#parkedSinceMs = 0;
      }
      if (engine.gathered.count > 0) {
        this.#holdReplies(batches.hold(this));
      }
      if (outputEnd > 0 && !silent) {
        this.#emit(engine.output, outputEnd);
      }
      const goesOn = stop === Stop.Done || this.#continue(stop, silent);
      if (skipping && advanced && client.replyChanges === changes) {
        client.replies = 'on';
      }
      if (!goesOn) {
        break;
      }
    } while (at < end && this.#runs());
    // More than is there, always: else the same bytes would be tried again for ever.
    this.#needed = stop === Stop.Incomplete ? Math.max(result.needed, end - at + 1) : 0;
    const kept = this.#keep(base, at, end, fromHeld);
    if (this.#runs()) {
      this.#arrivedMs = 0;
    }
    // One that JavaScript still works on counts when it is done.
    commands -= this.#blocked === 'waiting' ? 1 : 0;
    if (this.#uncommitted !== undefined) {
      this.#uncommitted.commands += commands;
      return 0;
    }
    if (kept && this.#blocked === 'sending') {
      outbox.flushOne(this);
      this.#sendLong();
    }
    return commands;
  }

  /** What a stop other than Done asks for; false: stand still. */
  #continue(stop: Stop, silent: boolean): boolean {
    const { result } = this.#context.engine;
    switch (stop) {
      case Stop.OutputFull:
        return true;
      case Stop.Call:
        return this.#call(result.arguments, silent);
      case Stop.Park:
        this.#park(result.shard, result.reason);
        return false;
      case Stop.LongValue:
        this.#blocked = 'sending';
        this.#long = new LongValue({
          engine: this.#context.engine,
          address: result.address,
          length: result.length,
          silent,
        });
        return false;
      case Stop.ProtocolError:
        this.#context.statistics.add('protocolErrors', 1);
        this.#finish();
        return false;
      default:
        return this.#incomplete(result.needed);
    }
  }

  #incomplete(needed: number): false {
    const bytesMax = this.#context.commandBytesMax;
    if (needed > bytesMax) {
      this.#context.statistics.add('protocolErrors', 1);
      this.fail(`ERR Protocol error: a command may have at most ${bytesMax} bytes`);
    }
    return false;
  }

  /** Keeps bytes [at, end): the window belongs to the next connection. */
  #keep(base: number, at: number, end: number, fromHeld: boolean): boolean {
    if (fromHeld) {
      this.#held.drop(at);
      return true;
    }
    if (at === end || this.#closingSinceMs !== 0) {
      return true;
    }
    return this.#hold(this.#context.engine.view(base + at, end - at));
  }

  #hold(bytes: Uint8Array): boolean {
    if (this.#held.append(bytes)) {
      return true;
    }
    this.#context.statistics.add('overloads', 1);
    this.fail(this.#held.refusal);
    return false;
  }

  #oneCommand(base: number, at: number, end: number): number {
    const length = frameEnd(this.#context.engine.view(base + at, end - at), 0, end - at);
    return length < 0 ? end : at + length;
  }

  // Commands in JavaScript.

  #call(views: readonly Uint8Array[], silent: boolean): boolean {
    const reply = new Reply(this.client.protocol);
    const done = this.#context.dispatch(this, views, reply);
    if (done === undefined) {
      this.#answer(reply, silent);
      return true;
    }
    this.#blocked = 'waiting';
    void done.then(() => {
      this.#blocked = undefined;
      if (!this.#closed) {
        this.#observe(this.#arrivedMs, 1);
        this.#answer(reply, silent);
        this.#advance();
      }
    });
    return false;
  }

  /** `silent`: replies were off when the command began. */
  #answer(reply: Reply, silent: boolean): void {
    const { client } = this;
    const bytes = reply.bytes();
    // CLIENT REPLY ON is the one command that is answered although replies were off before it.
    if (client.replies === 'on' && (!silent || client.turnsRepliesOn) && bytes.length > 0) {
      this.#emit(bytes, bytes.length);
    }
    client.turnsRepliesOn = false;
    if (this.client.quits) {
      this.#finish();
    }
  }

  setProtocol(version: 2 | 3): void {
    this.client.protocol = version;
    this.#context.engine.setProtocol(this.#handle, version);
  }

  setReadOnly(readOnly: boolean): void {
    this.client.readOnly = readOnly;
    this.#context.engine.setReadOnly(this.#handle, readOnly);
  }

  // Waiting for a shard.

  #park(shard: number, reason: ParkReason): void {
    const { clock, engine, parking, settings, statistics } = this.#context;
    if (this.#parkedSinceMs === 0) {
      this.#parkedSinceMs = clock.monotonicMs();
    }
    const promiseMs = settings().promiseMilliseconds;
    this.parkedUntilMs = this.#parkedSinceMs + promiseMs * patience(engine.serving(shard));
    this.#blocked = 'parked';
    this.#parkReason = reason;
    const isTold = reason === ParkReason.Frozen && this.#context.endsBatches;
    if (!parking.park(this, shard, isTold)) {
      statistics.add('overloads', 1);
      // Not now: this connection's input is not kept yet.
      setImmediate(() => this.#refuseParked('BUSY too many commands wait for their shard'));
    }
  }

  wake(): void {
    this.#blocked = undefined;
    this.#advance();
  }

  giveUp(): void {
    this.#refuseParked(
      this.#parkReason === ParkReason.NotServing
        ? 'CLUSTERDOWN Hash slot not served'
        : 'TRYAGAIN The shard of this key is busy, try again later',
    );
  }

  /** Answers the parked command with an error and passes over it. */
  #refuseParked(error: string): void {
    if (this.#closed || this.#blocked !== 'parked') {
      return;
    }
    this.#held.dropCommand();
    this.#parkedSinceMs = 0;
    this.#blocked = undefined;
    this.#observe(this.#arrivedMs, 1);
    const { client } = this;
    const reply = new Reply(client.protocol);
    reply.error(error);
    this.#answer(reply, client.replies !== 'on');
    if (client.replies === 'skip') {
      client.replies = 'on';
    }
    this.#advance();
  }

  #holdReplies(batches: number): void {
    this.client.wrote(this.#context.engine.gathered);
    this.#uncommitted ??= new HeldReplies(this.#arrivedMs);
    this.#uncommitted.waitFor(batches);
  }

  resolved(outcome: Outcome): void {
    const uncommitted = this.#uncommitted;
    if (uncommitted?.resolved(outcome) === true) {
      this.#uncommitted = undefined;
      if (!this.#closed) {
        this.#settle(uncommitted);
      }
    }
  }

  #settle({ bytes: replies, commands, arrivedMs, lost, last }: HeldReplies): void {
    const { engine, outbox } = this.#context;
    engine.settleConnection(this.#handle);
    if (lost) {
      this.fail('UNKNOWN the shard lost its leader: whether the last writes are kept is not known');
      return;
    }
    for (const reply of replies) {
      outbox.append(this, reply, reply.length);
    }
    this.#observe(arrivedMs, commands);
    if (last) {
      this.#finish();
    } else if (this.#blocked === 'sending') {
      outbox.flushOne(this);
      this.#sendLong();
    } else {
      this.#advance();
    }
  }

  // Output.

  /** To the client, behind what waits for its commit. */
  #emit(bytes: Uint8Array, length: number): void {
    if (this.#uncommitted === undefined) {
      this.#context.outbox.append(this, bytes, length);
    } else {
      this.#uncommitted.append(bytes, length);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#socket.destroyed) {
      return true;
    }
    this.#context.statistics.sent(bytes.length);
    if (this.#socket.write(bytes)) {
      return true;
    }
    this.#choke();
    return false;
  }

  /** The kernel's buffer is full: read and run nothing more until the client has taken its replies. */
  #choke(): void {
    if (!this.#choked) {
      this.#choked = true;
      this.#chokedSinceMs = this.#context.clock.monotonicMs();
      this.#context.choked.add(this);
    }
  }

  sent(): void {
    if (this.#closed) {
      return;
    }
    this.#choked = false;
    this.#context.choked.delete(this);
    this.#context.outbox.letGo(this);
    if (this.#blocked === 'sending') {
      this.#sendLong();
    } else {
      this.#advance();
    }
  }

  #sendLong(): void {
    const long = this.#long;
    if (this.#choked || long?.send((bytes) => this.write(bytes)) !== true) {
      return;
    }
    this.#long = undefined;
    this.#blocked = undefined;
    if (!long.silent) {
      this.#context.outbox.append(this, lineEnd, lineEnd.length);
    }
    this.#advance();
  }

  // The end.

  ended(): void {
    this.#ended = true;
    if (this.taken) {
      this.#context.intake.run();
    }
    if (this.#closingSinceMs !== 0) {
      return;
    }
    if (this.#runs()) {
      this.#finish();
    }
  }

  /** Answers with an error and closes: the input can't be understood from here on. */
  fail(error: string): void {
    const reply = new Reply(this.client.protocol);
    reply.error(error);
    const bytes = reply.bytes();
    this.#emit(bytes, bytes.length);
    this.#finish();
  }

  /** Closes once every reply is written. */
  #finish(): void {
    if (this.#closingSinceMs !== 0 || this.#closed) {
      return;
    }
    if (this.#uncommitted !== undefined) {
      this.#uncommitted.last = true;
      return;
    }
    this.#closingSinceMs = this.#context.clock.monotonicMs();
    this.#context.closing.add(this);
    this.#context.outbox.flushOne(this);
    this.#socket.end();
    // Unread input would make the kernel send a reset, and the client would never see the reply.
    this.#socket.resume();
  }

  /** Shutdown: closes as soon as nothing is under way. */
  closeWhenIdle(): void {
    if (this.taken) {
      this.#context.intake.run();
    }
    if (this.#runs()) {
      this.#finish();
    } else {
      this.#ended = true;
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  closed(): void {
    this.#closed = true;
    this.client.leave();
    const { engine, outbox, parking } = this.#context;
    if (this.#blocked === 'parked') {
      parking.remove(this);
    }
    this.#long?.unpin();
    this.outEnd = this.outStart;
    outbox.letGo(this);
    this.#held.free();
    engine.closeConnection(this.#handle);
    this.#context.onClosed(this);
  }
}
