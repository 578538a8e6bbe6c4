/**
 * Whether the LeaseStore answers: one question for all shards of a node.
 *
 * Who campaigns must know that the store is there, since from before its compare-and-set until that is resolved it
 * promises nothing to anyone; so must a node that is to hand over what it leads. Any Lease tells it, so those who want to
 * know within a moment share one quorum read. Connections for what they send next are opened with it.
 *
 * Once a request went unanswered the store counts as away, until any is answered. Meanwhile nothing is sent to it but these
 * reads, few of them: a connection that waits for it, or was given up, is one more handshake that it must do on its
 * return, before it answers anybody. Reads follow each other since a connection may be dead while the store is well.
 */
import type { Scheduler } from '@r-db/kubernetes/scheduler.ts';
import { LeaseStoreError, type LeaseStoreErrorCode, messageOf } from '@r-db/leases/errors.ts';
import { limits } from './limits.ts';

export type StoreAnswer =
  | { readonly kind: 'reached' }
  /** `forbidden`: it did answer, but with a no. */
  | { readonly kind: 'failed'; readonly forbidden: boolean; readonly message: string };

export interface StoreProbeOptions {
  readonly scheduler: Scheduler;
  /** A quorum read of any Lease. Rejects with LeaseStoreError. */
  readonly read: () => Promise<unknown>;
  /** It answers again. */
  readonly onReturn: () => void;
}

interface Waiting {
  /** The last read that was sent before: it tells nothing of now. */
  readonly after: number;
  readonly resolve: (answer: StoreAnswer) => void;
}

/** Whether the store said it, or nothing at all. */
export const isAnswer = (code: LeaseStoreErrorCode): boolean => !silences.has(code);

const silences: ReadonlySet<LeaseStoreErrorCode> = new Set<LeaseStoreErrorCode>([
  'Timeout',
  'Unavailable',
  'Unreachable',
  'Aborted',
  'Closed',
]);

export class StoreProbe {
  readonly #options: StoreProbeOptions;
  #waiting: Waiting[] = [];
  #away = false;
  #closed = false;
  /** Reads sent ever; out now; sent since the last answer. */
  #sent = 0;
  #out = 0;
  #inVain = 0;
  #next: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(options: StoreProbeOptions) {
    this.#options = options;
  }

  /** Nothing may be sent to it now: it would hang. */
  get away(): boolean {
    return this.#away;
  }

  /**
   * Resolves once a quorum read is answered that was sent since: with a store that hangs, on its return. Fails where it is
   * known that none is under way.
   */
  ask(): Promise<StoreAnswer> {
    const { promise, resolve } = Promise.withResolvers<StoreAnswer>();
    this.#waiting.push({ after: this.#sent, resolve });
    if (!this.#away) this.#plan(limits.gatherReadsMs);
    return promise;
  }

  /** Of any request: whether the store said anything, be it no. */
  heard(answered: boolean): void {
    if (answered) {
      this.#inVain = 0;
      if (!this.#away) return;
      this.#away = false;
      if (this.#waiting.length > 0) this.#plan(limits.gatherReadsMs);
      this.#options.onReturn();
    } else if (!this.#away) {
      this.#away = true;
      this.#plan(limits.gatherReadsMs);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#next?.cancel();
  }

  /** The next read, no later than this. */
  #plan(inMs: number): void {
    if (this.#closed) return;
    const { scheduler } = this.#options;
    const atMs = scheduler.nowMs() + inMs;
    if (this.#next !== undefined && this.#next.atMs <= atMs) return;
    this.#next?.cancel();
    const cancel = scheduler.after(inMs, () => {
      this.#next = undefined;
      if (this.#away || this.#waiting.length > 0) void this.#read();
    });
    this.#next = { atMs, cancel };
  }

  async #read(): Promise<void> {
    if (this.#out >= limits.storeReadsInFlightMax) return;
    const number = ++this.#sent;
    this.#out++;
    const answered = this.#answer();
    if (!this.#away && this.#inVain === 0) this.#connect();
    this.#plan(Math.min(limits.storeReadFirstMs * 2 ** this.#inVain++, limits.storeReadMostMs));
    const answer = await answered;
    this.#out--;
    if (this.#closed) return;
    const isHeard = answer.kind === 'reached' || answer.forbidden;
    if (!isHeard) this.#away = true;
    if (isHeard || this.#out === 0) this.#tell(number, answer);
    if (isHeard) this.heard(true);
    if (this.#waiting.length > 0 && !this.#away) this.#plan(limits.gatherReadsMs);
    // Where others hang, the next one is planned, unless too many did.
    else if (this.#away && (this.#out === 0 || this.#next === undefined)) {
      this.#plan(limits.storeProbeMs);
    }
  }

  /**
   * Who asks sends a request of its own next. So many more reads open the connections for the first of those: at rest a
   * node keeps one or two, and TLS, on a busy host, takes longer than the request.
   */
  #connect(): void {
    const following = Math.min(this.#waiting.length, limits.requestsInFlightFirst);
    for (let more = 1; more < following; more++) void this.#answer();
  }

  /** What came of that read, to all who asked before it was sent. */
  #tell(number: number, answer: StoreAnswer): void {
    const told = this.#waiting.filter(({ after }) => after < number);
    this.#waiting = this.#waiting.filter(({ after }) => after >= number);
    for (const { resolve } of told) resolve(answer);
  }

  async #answer(): Promise<StoreAnswer> {
    try {
      await this.#options.read();
      return { kind: 'reached' };
    } catch (error) {
      if (!(error instanceof LeaseStoreError)) throw error;
      const forbidden = error.code === 'Forbidden';
      if (!forbidden && isAnswer(error.code)) return { kind: 'reached' };
      return { kind: 'failed', forbidden, message: messageOf(error) };
    }
  }
}
