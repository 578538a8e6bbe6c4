/** The copy of one shard in the engine, as replication changes it: applied entries, snapshots, the end. */

import type { Engine } from '../engine/types.ts';
import type { Incarnation } from './core/identity.ts';
import type { Input } from './core/io.ts';
import type { LogEntry } from './core/position.ts';
import { engineOf } from './core/session-codec.ts';
import { Sessions } from './core/sessions.ts';
import type { CutPace } from './cut-pace.ts';
import { limits } from './limits.ts';
import type { MemoryReserve } from './memory-reserve.ts';

export type ReplicaEngine = Pick<
  Engine,
  'createShard' | 'dropShard' | 'apply' | 'takeCut' | 'installCut' | 'commit' | 'rollback'
>;

export interface ReplicaDataOptions {
  readonly shard: number;
  readonly engine: ReplicaEngine;
  /** One for all snapshots of a node. */
  readonly pace: Pick<CutPace, 'ask'>;
  readonly reserve: MemoryReserve;
}

/** Each method but `create` and `takeCut` says whether it is done; if not, it is called again with the same. */
export class ReplicaData {
  readonly options: ReplicaDataOptions;
  /** What became of writes with a request ID: changes with the copy. */
  readonly sessions = new Sessions();
  /** How far the snapshots being sent have come. */
  readonly #cursors = new Map<Incarnation, { snapshot: number; cursor: bigint; ended: boolean }>();
  #exists = false;
  /** An empty copy takes the old one's place, which is gone already. */
  #emptied = false;

  constructor(options: ReplicaDataOptions) {
    this.options = options;
  }

  /** Makes an empty copy. Throws when there is no memory for it. */
  create(): void {
    this.options.engine.createShard(this.options.shard);
    this.#exists = true;
    this.sessions.clear();
  }

  /** In slices, so that clients of other shards are served between them. */
  drop(): boolean {
    this.#exists = false;
    return this.options.engine.dropShard(this.options.shard, limits.dropRecordsMax);
  }

  apply(entries: readonly LogEntry[]): boolean {
    const [first] = entries;
    const effects =
      first !== undefined && entries.length === 1
        ? [engineOf(first.content)]
        : entries.map(({ content }) => engineOf(content));
    if (!this.options.engine.apply(this.options.shard, effects)) return false;
    for (const { content } of entries) this.sessions.apply(content);
    this.options.reserve.release(this.options.shard);
    return true;
  }

  beginSnapshot(): boolean {
    if (!this.#emptied && !this.drop()) return false;
    this.#emptied = true;
    try {
      this.create();
    } catch {
      // No memory for an empty table: other copies must go first.
      return false;
    }
    this.#emptied = false;
    return true;
  }

  /** While memory is short, it waits: its leader sends nothing more before the cut is answered. */
  install(cut: Uint8Array): boolean {
    return this.options.engine.installCut(this.options.shard, cut) === 'installed';
  }

  /** Answers once, when the pace allows it. */
  takeCut(
    { to, snapshot }: { readonly to: Incarnation; readonly snapshot: number },
    answer: (input: Input) => void,
  ): void {
    const { engine, shard, pace } = this.options;
    const take = (): number => {
      // Its leadership ended during the pause, and the copy with it: nobody asks any more.
      if (!this.#exists) return 0;
      const before = this.#cursors.get(to);
      const state = before?.snapshot === snapshot ? before : { snapshot, cursor: 0n, ended: false };
      this.#cursors.set(to, state);
      if (state.ended) {
        answer({ kind: 'cut', to, snapshot, cut: undefined, sessions: this.sessions.encode() });
        return 0;
      }
      const { cut, cursor } = engine.takeCut(shard, state.cursor, limits.cutBytes);
      state.cursor = cursor;
      state.ended = cursor === 0n;
      answer({ kind: 'cut', to, snapshot, cut });
      return cut.length;
    };
    pace.ask(take);
  }
}
