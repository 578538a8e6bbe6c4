/**
 * Names for writes, so that a write can be sent again without happening twice: numbers in a session, and
 * below which of them no answer is waited for any more. Pure: clock and randomness are arguments.
 *
 * One session serves the whole client. It is left for a new one (and lives on until the last of its
 * writes is answered) when a write of it waits for so long that the nodes would have to keep too many answers, and when
 * a shard does not know it any more and calls it ended before anything of the write could happen.
 */
import { sessionId } from '@r-db/proto/sessions.ts';
import { SESSION_AHEAD_MS_MAX, SESSION_AHEAD_MS_MIN, SESSION_NUMBERS_MAX } from './limits.ts';

/** The name of one write. */
export interface WriteId {
  readonly session: Session;
  readonly number: number;
}

export class Session {
  readonly id: Uint8Array;
  /** Whether any node has executed a write of it. */
  known = false;
  #next = 1;
  #answeredBelow = 1;
  readonly #unanswered = new Set<number>();

  constructor(id: Uint8Array) {
    this.id = id;
  }

  /** Every number below it has been answered, or nobody waits for its answer any more. */
  get answeredBelow(): number {
    return this.#answeredBelow;
  }

  /** Numbers whose answers the nodes may have to keep. */
  get span(): number {
    return this.#next - this.#answeredBelow;
  }

  /** The first of `count` new numbers. Those that are not taken count as answered. */
  reserve(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }

  /** A reserved number is used: its answer will be waited for. */
  take(number: number): WriteId {
    this.#unanswered.add(number);
    return { session: this, number };
  }

  /** The answer is there, or nobody will send this write again. */
  answered(number: number): void {
    this.#unanswered.delete(number);
  }

  /** Brings `answeredBelow` up; to be called when what was reserved last has been taken. */
  advance(): void {
    while (this.#answeredBelow < this.#next && !this.#unanswered.has(this.#answeredBelow)) {
      this.#answeredBelow++;
    }
  }
}

export interface SessionsOptions {
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  readonly random: (bytes: Uint8Array) => void;
}

export class Sessions {
  readonly #options: SessionsOptions;
  #current: Session | undefined;
  /** How far new sessions are dated ahead: the nodes' clocks may be ahead of this one. */
  #aheadMs = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** The session for new writes. */
  current(): Session {
    if (this.#current !== undefined && this.#current.span >= SESSION_NUMBERS_MAX) {
      this.#current.advance();
      if (this.#current.span >= SESSION_NUMBERS_MAX) this.#current = undefined;
    }
    this.#current ??= new Session(
      sessionId(this.#options.nowMs() + this.#aheadMs, this.#options.random),
    );
    return this.#current;
  }

  /**
   * A node calls the session ended: writes get another one. One that is refused before it was ever
   * accepted is younger by this clock than by the nodes': the next is dated further ahead.
   */
  end(session: Session): void {
    if (session !== this.#current) return;
    this.#current = undefined;
    if (session.known) return;
    this.#aheadMs = Math.min(
      SESSION_AHEAD_MS_MAX,
      Math.max(SESSION_AHEAD_MS_MIN, this.#aheadMs * 4),
    );
  }
}
