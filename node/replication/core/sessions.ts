/**
 * Writes that may be sent again and happen once (rule 17): the sessions of one shard, with the answers that they may
 * ask for a second time.
 *
 * A write with a request ID is `begin`, executed, then `record` with its answer. Its record travels in the entry of its
 * batch, beside the engine's bytes (session-codec.ts), and counts when the entry is committed, at every replica. A replica
 * that leads later so knows the answers of all that came before; what was not committed it does not know.
 *
 * What is forgotten is decided by the leader and written into the entry: tables are equal wherever the same entries were
 * applied, whatever bounds a node has. A session that is forgotten has ended: `endedBefore` rises above its start,
 * and no session that is unknown and older is ever begun again, for it may have written before.
 *
 * The order of sessions is that of their last write; that of results in a session, of their entries.
 */

import { assert } from './assert.ts';
import { limits } from './limits.ts';
import {
  decodeTable,
  encodeTable,
  frame,
  type RequestId,
  type Section,
  type SessionRecord,
  type SessionState,
  sessionKey,
  startMsOf,
  unframe,
} from './session-codec.ts';

export type { RequestId } from './session-codec.ts';

/** What is known of a request ID. */
export type Found =
  /** Nobody has executed it; the caller does, then calls `record` or `abandon`. */
  | { readonly kind: 'new' }
  /** It is being executed, or in a batch whose outcome is open: ask again after that. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'answered'; readonly result: Uint8Array }
  /** What became of it can't be told any more, or the session can't begin: SESSION_ENDED. */
  | { readonly kind: 'ended' };

export type SessionBounds = {
  readonly [K in
    | 'sessionsMax'
    | 'sessionResultsMax'
    | 'sessionResultBytesMax'
    | 'sessionBytesMax'
    | 'sessionAheadMaxMs']: number;
};

export class Sessions {
  readonly #bounds: SessionBounds;
  /** By `sessionKey`, least recently written first. */
  readonly #table = new Map<string, SessionState>();
  /** By session, then number: begun, and not yet known to be committed or not. */
  readonly #pending = new Map<string, Map<number, 'begun' | 'gathered' | 'out'>>();
  #gathered: SessionRecord[] = [];
  #out: Section | undefined;
  #endedBeforeMs = 0;
  /** What entries have said of it: followers know no more. */
  #toldMs = 0;
  #bytes = 0;

  constructor(bounds: SessionBounds = limits) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#table.size;
  }

  /** Milliseconds since 1970: unknown sessions that began before have ended. */
  get endedBeforeMs(): number {
    return this.#endedBeforeMs;
  }

  /** This node leads: in a later life of the data nothing is known of writes that the earlier one took. */
  lead({ generation, wallMs }: { readonly generation: number; readonly wallMs: number }): void {
    if (generation > 1 && this.#endedBeforeMs === 0) this.#endedBeforeMs = wallMs;
  }

  /** `new` holds the ID as pending until `record`, `abandon`, `dropGathered`. */
  begin({ session, number, answeredBelow }: RequestId, wallMs: number): Found {
    const key = sessionKey(session);
    if (this.#pending.get(key)?.has(number) === true) return { kind: 'pending' };
    // About to be forgotten: begun now, it would come back without what it has written.
    if (this.#out?.ended.includes(key) === true) return { kind: 'pending' };
    const known = this.#table.get(key);
    if (number < answeredBelow || !this.#mayBegin(session, known, wallMs)) return { kind: 'ended' };
    if (known !== undefined) {
      if (number < known.answeredBelow) return { kind: 'ended' };
      const result = known.results.get(number);
      if (result !== undefined) return { kind: 'answered', result };
      if (known.results.has(number)) return { kind: 'ended' };
    }
    this.#mark(key, number, 'begun');
    return { kind: 'new' };
  }

  /** The write was executed on the hidden side; false: its leadership ended meanwhile, and it with it. */
  record(id: RequestId, result: Uint8Array): boolean {
    const key = sessionKey(id.session);
    if (this.#pending.get(key)?.get(id.number) !== 'begun') return false;
    this.#mark(key, id.number, 'gathered');
    const kept = result.length <= this.#bounds.sessionResultBytesMax ? result : undefined;
    this.#gathered.push({ ...id, key, result: kept });
    return true;
  }

  /** It changed nothing, so that it may as well be executed again. */
  abandon({ session, number }: RequestId): void {
    const key = sessionKey(session);
    if (this.#pending.get(key)?.get(number) === 'begun') this.#unmark(key, number);
  }

  /** The content of the batch's entry: the engine's bytes, and what was recorded since the last one. */
  seal(engine: Uint8Array, wallMs: number): Uint8Array {
    assert(this.#out === undefined, 'the sessions of one batch are out at a time');
    // Nearly always: nothing was recorded, and nothing is to be told.
    if (this.#gathered.length === 0 && this.#toldMs === this.#endedBeforeMs && !this.#isFull) {
      return frame(engine, undefined);
    }
    return this.#sealRecords(engine, wallMs);
  }

  get #isFull(): boolean {
    return (
      this.#table.size > this.#bounds.sessionsMax || this.#bytes > this.#bounds.sessionBytesMax
    );
  }

  #sealRecords(engine: Uint8Array, wallMs: number): Uint8Array {
    const section = this.#take(wallMs);
    const { records, endedBeforeMs } = section;
    this.#out = section;
    for (const { key, number } of records) this.#mark(key, number, 'out');
    // Where sessions end, `endedBefore` rises.
    const isEmpty = records.length === 0 && this.#toldMs === endedBeforeMs;
    return frame(engine, isEmpty ? undefined : section);
  }

  /** The batch that was sealed is committed. */
  committed(): void {
    const out = this.#out;
    if (out === undefined) return;
    this.#out = undefined;
    this.#change(out);
    for (const { key, number } of out.records) this.#unmark(key, number);
  }

  /** It is not, or by another leader: then it comes back as an entry to apply. */
  rolledBack(): void {
    for (const { key, number } of this.#out?.records ?? []) this.#unmark(key, number);
    this.#out = undefined;
  }

  /** A leadership ended: what was begun or gathered, and is in no sealed batch, was never executed. */
  dropGathered(): void {
    this.#gathered = [];
    for (const [key, numbers] of this.#pending) {
      for (const [number, state] of numbers) if (state !== 'out') this.#unmark(key, number);
    }
  }

  /** The engine committed by itself: so is what was recorded. */
  commitAlone(wallMs: number): void {
    const section = this.#take(wallMs);
    this.#change(section);
    for (const { key, number } of section.records) this.#unmark(key, number);
  }

  /** An entry of another leader, or an inherited one, is committed. Returns the engine's part of its content. */
  apply(content: Uint8Array): Uint8Array {
    const { engine, section } = unframe(content);
    if (section !== undefined) this.#change(section);
    return engine;
  }

  /** The whole table as committed: goes with the end of a snapshot. */
  encode(): Uint8Array {
    return encodeTable(this.#endedBeforeMs, this.#table);
  }

  /** That of a snapshot takes the place of this one. Throws RangeError for what is none. */
  replace(encoded: Uint8Array): void {
    const { endedBeforeMs, sessions } = decodeTable(encoded);
    this.clear();
    this.#endedBeforeMs = endedBeforeMs;
    this.#toldMs = endedBeforeMs;
    for (const [key, state] of sessions) {
      this.#table.set(key, state);
      this.#bytes += sizeOf(state);
    }
  }

  /** The copy is made anew. */
  clear(): void {
    this.#table.clear();
    this.#pending.clear();
    this.#gathered = [];
    this.#out = undefined;
    this.#endedBeforeMs = 0;
    this.#toldMs = 0;
    this.#bytes = 0;
  }

  #mayBegin(session: Uint8Array, known: SessionState | undefined, wallMs: number): boolean {
    if (known !== undefined) return true;
    const startMs = startMsOf(session);
    if (startMs < this.#endedBeforeMs) return false;
    // One that claims to begin later would, forgotten, end all that begin until then.
    if (startMs > wallMs + this.#bounds.sessionAheadMaxMs) return false;
    return this.#table.size < this.#bounds.sessionsMax || this.#oldest(wallMs) !== undefined;
  }

  /** What is gathered, and which sessions end for it. */
  #take(wallMs: number): Section {
    let endedBeforeMs = this.#endedBeforeMs;
    const records = this.#gathered.map((record) => this.#bounded(record));
    this.#gathered = [];
    const fresh = new Set<string>();
    let bytes = this.#bytes;
    for (const { key, result } of records) {
      if (!this.#table.has(key) && !fresh.has(key)) {
        fresh.add(key);
        bytes += sessionBytes;
      }
      bytes += resultBytes + (result?.length ?? 0);
    }
    const ended: string[] = [];
    let size = this.#table.size + fresh.size;
    while (size > this.#bounds.sessionsMax || bytes > this.#bounds.sessionBytesMax) {
      const oldest = this.#oldest(wallMs, ended);
      if (oldest === undefined) break;
      ended.push(oldest);
      size--;
      const state = this.#table.get(oldest) as SessionState;
      bytes -= sizeOf(state);
      endedBeforeMs = Math.max(endedBeforeMs, startMsOf(state.session) + 1);
    }
    return { endedBeforeMs, ended, records };
  }

  /** Where a session keeps too many answers, a quarter of them, the lowest, is forgotten. */
  #bounded(record: SessionRecord): SessionRecord {
    const results = this.#table.get(record.key)?.results;
    if (results === undefined || results.size < this.#bounds.sessionResultsMax) return record;
    const numbers = [...results.keys()].sort((a, b) => a - b);
    const below = numbers[Math.ceil(numbers.length / 4)] ?? record.number;
    return {
      ...record,
      answeredBelow: Math.max(record.answeredBelow, Math.min(below, record.number)),
    };
  }

  /** The one that wrote least recently; none that writes now, or began in what is the future here. */
  #oldest(wallMs: number, but: readonly string[] = []): string | undefined {
    for (const [key, { session }] of this.#table) {
      if (this.#pending.has(key) || but.includes(key) || startMsOf(session) > wallMs) continue;
      return key;
    }
    return undefined;
  }

  #change({ endedBeforeMs, ended, records }: Section): void {
    this.#endedBeforeMs = Math.max(this.#endedBeforeMs, endedBeforeMs);
    this.#toldMs = this.#endedBeforeMs;
    for (const key of ended) {
      const state = this.#table.get(key);
      if (state === undefined) continue;
      this.#bytes -= sizeOf(state);
      this.#table.delete(key);
    }
    for (const record of records) this.#keep(record);
  }

  #keep({ key, session, number, answeredBelow, result }: SessionRecord): void {
    const known = this.#table.get(key);
    const state: SessionState = known ?? { session, answeredBelow: 0, results: new Map() };
    if (known === undefined) this.#bytes += sessionBytes;
    // Last in the order of sessions, as it wrote last.
    this.#table.delete(key);
    this.#table.set(key, state);
    const { results } = state;
    // An entry that the table of a snapshot counts already comes again: what was forgotten since stays so.
    if (!results.has(number) && number >= state.answeredBelow) {
      this.#bytes += resultBytes + (result?.length ?? 0);
      results.set(number, result);
    }
    if (answeredBelow <= state.answeredBelow) return;
    state.answeredBelow = answeredBelow;
    for (const [one, kept] of results) {
      // Numbers come nearly in order: what stays behind a higher one goes a little later.
      if (one >= answeredBelow) break;
      this.#bytes -= resultBytes + (kept?.length ?? 0);
      results.delete(one);
    }
  }

  #mark(key: string, number: number, state: 'begun' | 'gathered' | 'out'): void {
    const numbers = this.#pending.get(key);
    if (numbers === undefined) this.#pending.set(key, new Map([[number, state]]));
    else numbers.set(number, state);
  }

  #unmark(key: string, number: number): void {
    const numbers = this.#pending.get(key);
    if (numbers?.delete(number) === true && numbers.size === 0) this.#pending.delete(key);
  }
}

/** About what a session, and a result, take besides their bytes. */
const sessionBytes = 200;
const resultBytes = 64;

function sizeOf({ results }: SessionState): number {
  let bytes = sessionBytes;
  for (const result of results.values()) bytes += resultBytes + (result?.length ?? 0);
  return bytes;
}
