/**
 * Names for writes, so that a write can be sent again without happening twice: numbers in a session, and
 * below which of them no answer is waited for any more. Pure: clock and randomness are arguments.
 *
 * A node keeps the last answers of a session only. So a session takes new numbers only while few of its own lie behind its oldest
 * unanswered one; else another session takes them. How many there are follows from how many writes are out.
 */
import { sessionId } from '@r-db/proto/sessions.ts';
import { SESSION_NUMBERS_MAX, SESSION_OFFSETS_MS, SESSIONS_MAX } from './limits.ts';

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
  /** Those that take new numbers, sooner or later; what is left out lives on by its writes. */
  #pool: Session[] = [];
  /** Which of the offsets the nodes took. */
  #offset = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** A session that can take so many new numbers. */
  take(count: number): Session {
    for (const session of this.#pool) {
      session.advance();
      if (session.span + count <= SESSION_NUMBERS_MAX) return session;
    }
    const startMs = this.#options.nowMs() + (SESSION_OFFSETS_MS[this.#offset] ?? 0);
    const made = new Session(sessionId(startMs, this.#options.random));
    this.#pool = [made, ...this.#pool.slice(0, SESSIONS_MAX - 1)];
    return made;
  }

  /**
   * A node calls the session ended: its numbers are taken no more. One that was refused before it was ever
   * accepted does not begin when the nodes think that it may: the next one is dated otherwise.
   */
  end(session: Session): void {
    if (!this.#pool.includes(session)) return;
    this.#pool = this.#pool.filter((one) => one !== session);
    if (!session.known) this.#offset = Math.min(this.#offset + 1, SESSION_OFFSETS_MS.length - 1);
  }
}
