/**
 * The writing side of a replica: commands wait, are executed on the hidden side, given to the core as a batch,
 * and answered when it commits. Beside it, the sessions: a write that is sent again gets its first answer.
 */

import type { Epoch } from '../core/identity.ts';
import type { CoreServing } from '../core/io.ts';
import type { LogEntry } from '../core/position.ts';
import { type RequestId, Sessions } from '../core/sessions.ts';
import { type Change, type Command, Engine, sealed, unsealed } from './engine.ts';
import type { Process } from './process.ts';
import type { Replica } from './replica.ts';

/** `refused`: certainly not done by this request. `ended`: nobody can tell what became of it. */
export type WriteOutcome =
  | { readonly kind: 'done'; readonly value: string }
  | { readonly kind: 'refused' | 'unknown' | 'ended' };

interface Write {
  readonly command: Command;
  readonly request: RequestId | undefined;
  readonly done: (outcome: WriteOutcome) => void;
}

/** Executed on the hidden side, not given yet: more may join. */
interface Gathered {
  readonly epoch: Epoch;
  readonly writes: Write[];
  readonly changes: Change[];
}

interface Batch extends Gathered {
  readonly entry: Omit<LogEntry, 'epoch'>;
}

const queueMax = 16;
/** Longest time that a batch is gathered. */
const gatherMs = 1;

export class Writer {
  readonly #process: Process;
  readonly #replica: Replica;
  readonly #engine = new Engine();
  readonly #sessions: Sessions;
  #serving: CoreServing = { role: 'elsewhere' };
  /** Begun with their sessions, but not executed. */
  #queue: Write[] = [];
  /** Sent again while the first of its kind is under way: asked once more when that has its outcome. */
  #again: Write[] = [];
  #gathered: Gathered | undefined;
  #batch: Batch | undefined;
  /** How often the core asked for the end of writes: each is answered as soon as what is gathered is given. */
  #stops = 0;

  constructor(process: Process, replica: Replica) {
    this.#process = process;
    this.#replica = replica;
    this.#sessions = new Sessions(process.cluster.options.sessionBounds);
  }

  get data(): Engine['data'] {
    return this.#engine.data;
  }

  write(command: Command, request: RequestId | undefined, done: Write['done']): void {
    const serving = this.#serving;
    if (serving.role !== 'leader' || !serving.writable || this.#queue.length >= queueMax) {
      done({ kind: 'refused' });
      return;
    }
    const write = { command, request, done };
    if (request !== undefined && !this.#begin(write, request)) return;
    this.#queue.push(write);
    this.flush();
  }

  /** Executes what waits, unless the hidden side is frozen: a batch is out. */
  flush(): void {
    const serving = this.#serving;
    if (this.#batch === undefined && this.#stops > 0) this.#stopWrites();
    if (this.#batch !== undefined || this.#queue.length === 0) return;
    const writes = this.#queue.splice(0);
    if (serving.role !== 'leader' || !serving.writable) {
      for (const write of writes) this.#refuse(write);
      return;
    }
    const gathered = this.#gathered ?? { epoch: serving.epoch, writes: [], changes: [] };
    for (const write of writes) this.#execute(write, gathered);
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

  /** The core commits the batch that is out. */
  commit(sequence: number, committing: (entry: Batch['entry']) => void): void {
    const batch = this.#batch;
    if (batch?.entry.sequence !== sequence) throw new Error(`no batch to ${sequence} is out`);
    this.#batch = undefined;
    committing(batch.entry);
    this.#engine.apply(batch.changes);
    this.#sessions.committed();
    answer(batch);
    this.#askAgain();
  }

  rollBack(taken: boolean): void {
    const { writes = [] } = this.#batch ?? {};
    this.#batch = undefined;
    this.#sessions.rolledBack();
    for (const { done } of writes) done({ kind: taken ? 'unknown' : 'refused' });
    this.#askAgain();
  }

  stop(): void {
    this.#stops++;
  }

  published(serving: CoreServing, sameLeadership: boolean): void {
    this.#serving = serving;
    if (!sameLeadership) {
      this.#dropUngiven();
      if (serving.role === 'leader') {
        this.#sessions.lead({ generation: serving.generation, wallMs: this.#process.wallMs });
      }
    }
    if (serving.role === 'leader' && serving.alone && this.#gathered !== undefined) {
      this.#commitAlone(this.#gathered);
    }
  }

  apply(entries: readonly LogEntry[]): void {
    for (const { content } of entries) {
      this.#engine.apply(unsealed(this.#sessions.apply(content)));
    }
  }

  clear(): void {
    this.#engine.clear();
    this.#sessions.clear();
  }

  cut(to: string, snapshot: number): Uint8Array | undefined {
    const changes = this.#engine.cut(to, snapshot);
    return changes === undefined ? undefined : sealed(changes);
  }

  install(cut: Uint8Array): void {
    this.#engine.apply(unsealed(cut));
  }

  /** The table of sessions, as committed. */
  get sessions(): Uint8Array {
    return this.#sessions.encode();
  }

  installSessions(table: Uint8Array): void {
    if (this.#process.cluster.world.broken === 'snapshot-without-sessions') return;
    this.#sessions.replace(table);
  }

  /** False: it has its answer, or waits for it. */
  #begin(write: Write, request: RequestId): boolean {
    if (this.#process.cluster.world.broken === 'retry-executed-again') return true;
    const found = this.#sessions.begin(request, this.#process.wallMs);
    switch (found.kind) {
      case 'new':
        return true;
      case 'pending':
        this.#again.push(write);
        return false;
      case 'answered':
        write.done({ kind: 'done', value: new TextDecoder().decode(found.result) });
        return false;
      case 'ended':
        write.done({ kind: 'ended' });
        return false;
    }
  }

  #execute(write: Write, gathered: Gathered): void {
    const change = this.#engine.execute(write.command, gathered.changes);
    gathered.changes.push(change);
    gathered.writes.push(write);
    if (write.request === undefined) return;
    this.#sessions.record(write.request, new TextEncoder().encode(change.value));
  }

  #seal({ epoch, writes, changes }: Gathered): void {
    this.#gathered = undefined;
    const sequence = this.#replica.core.positions.last.sequence + 1;
    const content = this.#sessions.seal(sealed(changes), this.#process.wallMs);
    const checksum = content.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
    const entry = { sequence, content, checksum };
    this.#batch = { epoch, writes, changes, entry };
    this.#replica.step({ kind: 'write', epoch, entries: [entry] });
  }

  #stopWrites(): void {
    if (this.#gathered !== undefined) this.#seal(this.#gathered);
    for (; this.#stops > 0; this.#stops--) this.#replica.step({ kind: 'writes-stopped' });
  }

  #commitAlone(gathered: Gathered): void {
    this.#gathered = undefined;
    this.#engine.apply(gathered.changes);
    this.#sessions.commitAlone(this.#process.wallMs);
    answer(gathered);
    this.#askAgain();
  }

  /** Of what was not given, nothing was sent. */
  #dropUngiven(): void {
    const { writes = [] } = this.#gathered ?? {};
    this.#gathered = undefined;
    this.#sessions.dropGathered();
    for (const { done } of [...writes, ...this.#queue.splice(0)]) done({ kind: 'refused' });
    for (const { done } of this.#again.splice(0)) done({ kind: 'unknown' });
  }

  #refuse({ request, done }: Write): void {
    if (request !== undefined) this.#sessions.abandon(request);
    done({ kind: 'refused' });
  }

  #askAgain(): void {
    for (const { command, request, done } of this.#again.splice(0)) {
      this.write(command, request, done);
    }
  }
}

function answer({ writes, changes }: Gathered): void {
  for (const [index, { done }] of writes.entries()) {
    done({ kind: 'done', value: changes[index]?.value ?? '' });
  }
}
