/** One shard in a process: carries out what the core asks for, on an engine that only remembers. */

import type { ShardCore } from '../core/core.ts';
import type { CoreServing, Effect, Input } from '../core/io.ts';
import type { LogEntry } from '../core/log.ts';
import { contentOf, messageText } from '../core/message-text.ts';
import type { Process } from './process.ts';

/** `refused`: certainly not done. */
export type WriteOutcome = 'done' | 'refused' | 'unknown';

interface QueuedWrite {
  readonly key: string;
  readonly value: string;
  readonly done: (outcome: WriteOutcome) => void;
}

interface Cell {
  readonly value: string;
  readonly version: number;
}

const recordsACut = 2;

export class Replica {
  readonly core: ShardCore;
  readonly shard: number;
  readonly #process: Process;
  /** The committed side. */
  readonly data = new Map<string, Cell>();
  /** What reads are cut from, for each follower. */
  readonly #cuts = new Map<string, string[]>();
  #serving: CoreServing = { role: 'elsewhere' };
  /** Changes with each leadership. */
  #counter = 0;
  #readable = false;
  #queue: QueuedWrite[] = [];
  #batch: { writes: readonly QueuedWrite[]; entries: readonly LogEntry[] } | undefined;
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

  setWake(): void {
    const { wakeAtMs } = this.core;
    if (wakeAtMs === this.#wakeAtMs) return;
    this.#wakeAtMs = wakeAtMs;
    if (wakeAtMs === undefined) return;
    this.#process.at(wakeAtMs, () => {
      if (this.#wakeAtMs !== wakeAtMs) return;
      this.#wakeAtMs = undefined;
      this.step({ kind: 'tick' });
    });
  }

  write(key: string, value: string, done: (outcome: WriteOutcome) => void): void {
    const serving = this.#serving;
    if (serving.role !== 'leader' || !serving.writable || this.#queue.length >= 16) {
      done('refused');
      return;
    }
    this.#queue.push({ key, value, done });
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

  #flush(): void {
    const serving = this.#serving;
    if (this.#batch !== undefined || this.#queue.length === 0) return;
    const writes = this.#queue.splice(0);
    if (serving.role !== 'leader' || !serving.writable) {
      for (const { done } of writes) done('refused');
      return;
    }
    let { sequence } = this.core.positions.last;
    const entries = writes.map(({ key, value }) => ({
      sequence: ++sequence,
      epoch: serving.epoch,
      ...contentOf(`${key}:${value}`),
    }));
    this.#batch = { writes, entries };
    this.step({ kind: 'write', entries });
  }

  #carryOut(effect: Effect): void {
    const { cluster, self, node } = this.#process;
    const answer = (input: Input) => this.#process.run(() => this.step(input));
    switch (effect.kind) {
      case 'publish':
        this.#publish(effect.serving);
        break;
      case 'send':
        cluster.world.note(
          () => `${self} -> ${effect.to} ${this.shard}: ${messageText(effect.message)}`,
        );
        cluster.connections.send(this.#process, effect.to, (peer) =>
          peer.replica(this.shard)?.step({ kind: 'message', from: self, message: effect.message }),
        );
        break;
      case 'commit':
        this.#commit(effect.sequence);
        break;
      case 'roll-back': {
        const { writes = [] } = this.#batch ?? {};
        this.#batch = undefined;
        for (const { done } of writes) done(effect.taken ? 'unknown' : 'refused');
        break;
      }
      case 'apply':
        this.#apply(effect.entries);
        break;
      case 'begin-snapshot':
        this.data.clear();
        break;
      case 'install-cut':
        for (const [key, cell] of JSON.parse(new TextDecoder().decode(effect.cut))) {
          if ((this.data.get(key)?.version ?? -1) < cell.version) this.data.set(key, cell);
        }
        break;
      case 'take-cut':
        answer({ kind: 'cut', to: effect.to, snapshot: effect.snapshot, cut: this.#cut(effect) });
        break;
      case 'create-data':
        answer({ kind: 'data-created' });
        break;
      case 'drop-data':
        this.data.clear();
        answer({ kind: 'data-dropped' });
        break;
      case 'read-lease':
        cluster.store.read(node, this.shard, effect.request, answer);
        break;
      case 'write-lease':
        cluster.store.write(node, this.shard, effect, answer);
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
    if (serving.role === 'leader') {
      this.#process.cluster.checker(this.shard).leads(this.#process.self, serving.epoch);
    }
  }

  #commit(sequence: number): void {
    const { cluster, self } = this.#process;
    const batch = this.#batch;
    if (batch?.entries.at(-1)?.sequence !== sequence)
      throw new Error(`no batch to ${sequence} is out`);
    const checker = cluster.checker(this.shard);
    this.#batch = undefined;
    this.#apply(batch.entries);
    const lease = cluster.store.lease(this.shard);
    const [first] = batch.entries;
    if (lease?.leader === self && lease.epoch === first?.epoch) {
      checker.tooFew(self, lease.inSync.length, cluster.settings.minInSync);
    }
    checker.acknowledged(sequence);
    for (const { done } of batch.writes) done('done');
  }

  #apply(entries: readonly LogEntry[]): void {
    this.#process.cluster.checker(this.shard).committed(this.#process.self, entries);
    for (const { sequence, content } of entries) {
      const [key = '', value = ''] = new TextDecoder().decode(content).split(':');
      if ((this.data.get(key)?.version ?? -1) < sequence)
        this.data.set(key, { value, version: sequence });
    }
  }

  #cut({ to, snapshot }: { to: string; snapshot: number }): Uint8Array | undefined {
    const name = `${to} ${snapshot}`;
    const left = this.#cuts.get(name) ?? [...this.data.keys()];
    const keys = left.splice(0, recordsACut);
    this.#cuts.set(name, left);
    if (keys.length === 0) return undefined;
    const records = keys.map((key) => [key, this.data.get(key)]);
    return new TextEncoder().encode(JSON.stringify(records));
  }
}
