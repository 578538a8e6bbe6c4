/** One shard in a process: carries out what the core asks for, on an engine that only remembers. */

import type { ShardCore } from '../core/core.ts';
import type { Epoch, Incarnation } from '../core/identity.ts';
import type { CoreServing, Effect, Input } from '../core/io.ts';
import type { LogEntry } from '../core/log.ts';
import { messageText } from '../core/message-text.ts';
import type { ShardMessage } from '../core/messages.ts';
import { type Change, type Command, Engine, entryOf, unsealed } from './engine.ts';
import type { Process } from './process.ts';

/** `refused`: certainly not done. */
export type WriteOutcome =
  | { readonly kind: 'done'; readonly value: string }
  | { readonly kind: 'refused' | 'unknown' };

interface QueuedWrite {
  readonly command: Command;
  readonly done: (outcome: WriteOutcome) => void;
}

/** Executed on the hidden side, not given yet: more may join. */
interface Gathered {
  readonly epoch: Epoch;
  readonly writes: QueuedWrite[];
  readonly changes: Change[];
}

interface Batch extends Gathered {
  readonly entry: Omit<LogEntry, 'epoch'>;
}

const queueMax = 16;
/** Longest time that a batch is gathered. */
const gatherMs = 1;

export class Replica {
  readonly core: ShardCore;
  readonly shard: number;
  readonly #process: Process;
  readonly #engine = new Engine();
  #serving: CoreServing = { role: 'elsewhere' };
  /** Changes with each leadership. */
  #counter = 0;
  #readable = false;
  #queue: QueuedWrite[] = [];
  #gathered: Gathered | undefined;
  #batch: Batch | undefined;
  /** The core asked for the end of writes: told as soon as what is gathered is given. */
  #stopping = false;
  #wakeAtMs: number | undefined;
  readonly #inputs: Input[] = [];
  #stepping = false;

  constructor(process: Process, shard: number, core: ShardCore) {
    this.#process = process;
    this.shard = shard;
    this.core = core;
  }

  get serving(): CoreServing {
    return this.#serving;
  }

  /** The committed side. */
  get data(): Engine['data'] {
    return this.#engine.data;
  }

  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const effect of this.core.step(next, this.#process.nowMs)) this.#carryOut(effect);
        this.#process.led(this.shard, this.core.leading);
        this.#flush();
      }
    } finally {
      this.#stepping = false;
    }
    const serving = this.#serving;
    this.#readable = serving.role === 'leader' && this.#process.nowMs < serving.readUntilMs;
    this.setWake();
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

  write(command: Command, done: (outcome: WriteOutcome) => void): void {
    const serving = this.#serving;
    if (serving.role !== 'leader' || !serving.writable || this.#queue.length >= queueMax) {
      done({ kind: 'refused' });
      return;
    }
    this.#queue.push({ command, done });
    this.#flush();
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

  /** Executes what waits, unless the hidden side is frozen: a batch is out. */
  #flush(): void {
    const serving = this.#serving;
    if (this.#batch === undefined && this.#stopping) this.#stopWrites();
    if (this.#batch !== undefined || this.#queue.length === 0) return;
    const writes = this.#queue.splice(0);
    if (serving.role !== 'leader' || !serving.writable) {
      for (const { done } of writes) done({ kind: 'refused' });
      return;
    }
    const gathered = this.#gathered ?? { epoch: serving.epoch, writes: [], changes: [] };
    const commands = writes.map(({ command }) => command);
    gathered.changes.push(...this.#engine.execute(commands, gathered.changes));
    gathered.writes.push(...writes);
    if (serving.alone) {
      this.#commitAlone(gathered);
    } else if (this.#gathered === undefined) {
      this.#gathered = gathered;
      const { nowMs, cluster } = this.#process;
      this.#process.at(nowMs + cluster.world.random() * gatherMs, () => {
        if (this.#gathered === gathered) this.#seal(gathered);
      });
    }
  }

  #seal({ epoch, writes, changes }: Gathered): void {
    this.#gathered = undefined;
    const entry = entryOf(this.core.positions.last.sequence + 1, changes);
    this.#batch = { epoch, writes, changes, entry };
    this.step({ kind: 'write', epoch, entries: [entry] });
  }

  #stopWrites(): void {
    this.#stopping = false;
    if (this.#gathered !== undefined) this.#seal(this.#gathered);
    this.step({ kind: 'writes-stopped' });
  }

  #commitAlone({ writes, changes }: Gathered): void {
    this.#gathered = undefined;
    this.#engine.apply(changes);
    answer(writes, changes);
  }

  #carryOut(effect: Effect): void {
    const { cluster, self, node } = this.#process;
    const answered = (input: Input) => this.#process.run(() => this.step(input));
    switch (effect.kind) {
      case 'publish':
        this.#publish(effect.serving);
        break;
      case 'send':
        cluster.world.note(
          () => `${self} -> ${effect.to} ${this.shard}: ${messageText(effect.message)}`,
        );
        cluster.connections.send(this.#process, effect.to, (peer) =>
          peer.replica(this.shard)?.receive(self, effect.message),
        );
        break;
      case 'commit':
        this.#commit(effect.sequence);
        break;
      case 'roll-back': {
        const { writes = [] } = this.#batch ?? {};
        this.#batch = undefined;
        for (const { done } of writes) done({ kind: effect.taken ? 'unknown' : 'refused' });
        break;
      }
      case 'stop-writes':
        this.#stopping = true;
        break;
      case 'apply':
        this.#apply(effect.entries);
        break;
      case 'begin-snapshot':
        this.#engine.clear();
        break;
      case 'install-cut':
        this.#engine.apply(unsealed(effect.cut));
        break;
      case 'take-cut': {
        const { to, snapshot } = effect;
        answered({ kind: 'cut', to, snapshot, cut: this.#engine.cut(to, snapshot) });
        break;
      }
      case 'create-data':
        answered({ kind: 'data-created' });
        break;
      case 'drop-data':
        this.#engine.clear();
        answered({ kind: 'data-dropped' });
        break;
      case 'read-lease':
        cluster.store.read(node, this.shard, effect.request, answered);
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
    const gathered = this.#gathered;
    if (gathered !== undefined && (serving.role !== 'leader' || serving.epoch !== gathered.epoch)) {
      // Nothing of it was sent.
      this.#gathered = undefined;
      for (const { done } of gathered.writes) done({ kind: 'refused' });
    } else if (gathered !== undefined && serving.role === 'leader' && serving.alone) {
      this.#commitAlone(gathered);
    }
    if (serving.role === 'leader') {
      this.#process.cluster.checker(this.shard).leads(this.#process.self, serving.epoch);
    }
  }

  #commit(sequence: number): void {
    const { cluster, self } = this.#process;
    const batch = this.#batch;
    if (batch?.entry.sequence !== sequence) throw new Error(`no batch to ${sequence} is out`);
    const serving = this.#serving;
    if (serving.role !== 'leader') throw new Error('only a leader commits');
    const checker = cluster.checker(this.shard);
    this.#batch = undefined;
    this.#apply([{ ...batch.entry, epoch: serving.epoch }]);
    const lease = cluster.store.lease(this.shard);
    if (lease?.leader === self && lease.epoch === serving.epoch) {
      checker.tooFew(self, lease.inSync.length, cluster.fewestCopies);
    }
    checker.acknowledged(sequence);
    answer(batch.writes, batch.changes);
  }

  #apply(entries: readonly LogEntry[]): void {
    this.#process.cluster.checker(this.shard).committed(this.#process.self, entries);
    for (const { content } of entries) this.#engine.apply(unsealed(content));
  }
}

function answer(writes: readonly QueuedWrite[], changes: readonly Change[]): void {
  for (const [index, { done }] of writes.entries()) {
    done({ kind: 'done', value: changes[index]?.value ?? '' });
  }
}
