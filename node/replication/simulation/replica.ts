/** One shard in a process: carries out what the core asks for, on an engine that only remembers. */

import type { ShardCore } from '../core/core.ts';
import { type Generation, generation, type Incarnation } from '../core/identity.ts';
import type { CoreServing, Effect, Input } from '../core/io.ts';
import { messageText } from '../core/message-text.ts';
import type { ShardMessage } from '../core/messages.ts';
import type { LogEntry } from '../core/position.ts';
import type { RequestId } from '../core/sessions.ts';
import type { Command } from './engine.ts';
import type { Process } from './process.ts';
import { type WriteOutcome, Writer } from './writer.ts';

export class Replica {
  readonly core: ShardCore;
  readonly shard: number;
  readonly #process: Process;
  readonly #writer: Writer;
  #serving: CoreServing = { role: 'elsewhere' };
  /** Changes with each leadership. */
  #counter = 0;
  #readable = false;
  #generation: Generation = generation(0);
  #wakeAtMs: number | undefined;
  readonly #inputs: Input[] = [];
  #stepping = false;

  constructor(process: Process, shard: number, core: ShardCore) {
    this.#process = process;
    this.shard = shard;
    this.core = core;
    this.#writer = new Writer(process, this);
  }

  get serving(): CoreServing {
    return this.#serving;
  }

  /** Of the copy. */
  get generation(): Generation {
    return this.#generation;
  }

  /** The committed side. */
  get data(): Writer['data'] {
    return this.#writer.data;
  }

  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const effect of this.core.step(next, this.#process.nowMs)) this.#carryOut(effect);
        this.#process.led(this.shard, this.core.leading);
        this.#writer.flush();
      }
    } finally {
      this.#stepping = false;
    }
    const serving = this.#serving;
    this.#readable = serving.role === 'leader' && this.#process.nowMs < serving.readUntilMs;
    this.setWake();
    this.#process.checkStopped();
  }

  receive(from: Incarnation, message: ShardMessage): void {
    const { kind } = message.body;
    const noMemory = this.#process.full && (kind === 'entries' || kind === 'snapshot-cut');
    this.step({ kind: 'message', from, message, ...(noMemory ? { noMemory } : {}) });
  }

  setWake(): void {
    const { wakeAtMs } = this.core;
    // One that was asked for earlier comes first, and looks again.
    if (wakeAtMs === undefined || (this.#wakeAtMs !== undefined && this.#wakeAtMs <= wakeAtMs)) {
      return;
    }
    this.#wakeAtMs = wakeAtMs;
    this.#process.at(wakeAtMs, () => {
      if (this.#wakeAtMs !== wakeAtMs) return;
      this.#wakeAtMs = undefined;
      const due = this.core.wakeAtMs;
      if (due !== undefined && due <= this.#process.nowMs) this.step({ kind: 'tick' });
      else this.setWake();
    });
  }

  write(
    command: Command,
    request: RequestId | undefined,
    done: (outcome: WriteOutcome) => void,
  ): void {
    this.#writer.write(command, request, done);
  }

  /** The value is taken now, the check and the reply come `slowMs` later: the process may be paused between. */
  read(
    key: string,
    slowMs: number,
    done: (answer: { value: string | undefined } | undefined) => void,
  ) {
    const { broken } = this.#process.cluster.world;
    const value = this.data.get(key)?.value;
    const counter = this.#counter;
    const readable = this.#readable;
    if (this.#serving.role !== 'leader') {
      done(undefined);
      return;
    }
    this.#process.at(this.#process.nowMs + slowMs, () => {
      const serving = this.#serving;
      const leads = serving.role === 'leader';
      const same = counter === this.#counter || broken === 'read-across-leaderships';
      const promised = leads && this.#process.nowMs < serving.readUntilMs;
      const may = broken === 'read-cached' ? readable : promised;
      done(leads && same && may ? { value } : undefined);
    });
  }

  /** Of this copy, whoever leads: the value, and since when by this node's clock it may be old. */
  readStale(
    key: string,
  ): { readonly value: string | undefined; readonly asOfMs: number } | undefined {
    const asOfMs = this.core.freshAsOfMs;
    return asOfMs === undefined ? undefined : { value: this.data.get(key)?.value, asOfMs };
  }

  #carryOut(effect: Effect): void {
    const { cluster, self, node } = this.#process;
    const writer = this.#writer;
    const answered = (input: Input) => this.#process.run(() => this.step(input));
    switch (effect.kind) {
      case 'publish':
        this.#publish(effect.serving);
        break;
      case 'send':
        cluster.world.note(
          () => `${self} -> ${effect.to} ${this.shard}: ${printed(messageText(effect.message))}`,
        );
        cluster.connections.send(this.#process, effect.to, (peer) =>
          peer.replica(this.shard)?.receive(self, effect.message),
        );
        break;
      case 'commit':
        this.#commit(effect.sequence);
        break;
      case 'roll-back':
        writer.rollBack(effect.taken);
        break;
      case 'stop-writes':
        writer.stop();
        break;
      case 'apply':
        this.#check(effect.entries);
        writer.apply(effect.entries);
        break;
      case 'begin-snapshot':
        writer.clear();
        break;
      case 'install-cut':
        writer.install(effect.cut);
        break;
      case 'end-snapshot':
        writer.installSessions(effect.sessions);
        break;
      case 'take-cut': {
        const { to, snapshot } = effect;
        const cut = writer.cut(to, snapshot);
        if (cut !== undefined) answered({ kind: 'cut', to, snapshot, cut });
        else answered({ kind: 'cut', to, snapshot, cut, sessions: writer.sessions });
        break;
      }
      case 'create-data':
        this.#generation = effect.generation;
        answered({ kind: 'data-created' });
        break;
      case 'drop-data':
        writer.clear();
        answered({ kind: 'data-dropped' });
        break;
      case 'read-lease':
        if (effect.orAny !== true) cluster.store.read(node, this.shard, effect.request, answered);
        else this.#process.readAny(this.shard, effect.request, answered);
        break;
      case 'write-lease':
        cluster.store.write(node, this.shard, effect, answered);
        break;
      case 'tell':
        cluster.world.note(() => `${self} ${this.shard}: ${JSON.stringify(effect.event)}`);
        break;
    }
  }

  #publish(serving: CoreServing): void {
    const before = this.#serving;
    const same =
      before.role === 'leader' && serving.role === 'leader' && before.epoch === serving.epoch;
    if (!same) this.#counter++;
    this.#serving = serving;
    this.#writer.published(serving, same);
    if (serving.role === 'leader') {
      this.#process.cluster.checker(this.shard).leads(this.#process.self, serving.epoch);
    }
  }

  #commit(sequence: number): void {
    const { cluster, self } = this.#process;
    const serving = this.#serving;
    if (serving.role !== 'leader') throw new Error('only a leader commits');
    const checker = cluster.checker(this.shard);
    const lease = cluster.store.lease(this.shard);
    if (lease?.leader === self && lease.epoch === serving.epoch) {
      checker.tooFew(self, lease.inSync.length, cluster.fewestCopies);
    }
    this.#writer.commit(sequence, (entry) => this.#check([{ ...entry, epoch: serving.epoch }]));
    checker.acknowledged(serving.generation, sequence);
  }

  #check(entries: readonly LogEntry[]): void {
    const { cluster, self } = this.#process;
    cluster.checker(this.shard).committed(self, this.#generation, entries);
  }
}

const printed = (text: string): string => text.replace(/[^\x20-\x7e]+/g, '~');
