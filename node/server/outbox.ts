/**
 * Replies on their way to sockets. Those of one turn of the event loop are copied, one connection
 * behind the other, into one buffer; at the end of the turn each socket gets one write. While the kernel
 * takes everything at once the buffer is used again, else the operating system may still read from it: it is left to the
 * writes and a new one taken.
 */
import { serverLimits } from './limits.ts';
import { Turn } from './turn.ts';

/** What the outbox must know of a connection. */
export interface Recipient {
  /** Replies not yet written: [outStart, outEnd) of the outbox; equal: none. */
  outStart: number;
  outEnd: number;
  /** Set by the outbox; whoever is done calls `letGo`. */
  holdsOutbox: boolean;
  /** Writes bytes to the socket; false: they are not all with the kernel yet. */
  write(bytes: Uint8Array): boolean;
}

export class Outbox {
  #buffer = Buffer.allocUnsafeSlow(serverLimits.outboxBytes);
  #end = 0;
  #dirty: Recipient[] = [];
  #scheduled = false;
  /** The buffer in use belongs to unfinished writes too: not to be written again. */
  #leaked = false;
  /** Recipients whose unfinished writes hold a buffer. */
  #holders = 0;
  readonly #ask: () => void;

  constructor(turn = new Turn()) {
    this.#ask = turn.on('reply', () => this.#flush());
  }

  /** Adds bytes [0, length) of `source` to the replies of a connection. */
  append(to: Recipient, source: Uint8Array, length: number): void {
    if (length > this.#buffer.length - this.#end) {
      this.flush();
      if (length > this.#buffer.length) {
        to.write(Buffer.from(source.subarray(0, length)));
        return;
      }
    }
    if (to.outStart === to.outEnd) {
      to.outStart = this.#end;
      this.#dirty.push(to);
    } else if (to.outEnd !== this.#end) {
      // Another connection's replies stand behind the earlier ones of this: those go first.
      this.#write(to);
      to.outStart = this.#end;
      this.#dirty.push(to);
    }
    this.#copy(source, length);
    to.outEnd = this.#end;
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#ask();
    }
  }

  /** Till `release` nothing is scheduled: replies of one turn's chunks come together. */
  hold(): void {
    this.#scheduled = true;
  }

  release(): void {
    this.#flush();
  }

  #flush(): void {
    this.#scheduled = false;
    this.flush();
  }

  /** Writes the replies of one connection now: something that is not in the outbox follows. */
  flushOne(to: Recipient): void {
    if (to.outStart !== to.outEnd) {
      this.#write(to);
    }
  }

  /** Writes everything. */
  flush(): void {
    const dirty = this.#dirty;
    for (let index = 0; index < dirty.length; index++) {
      const to = dirty[index];
      if (to !== undefined && to.outStart !== to.outEnd) {
        this.#write(to);
      }
    }
    dirty.length = 0;
    this.#end = 0;
    if (this.#leaked) {
      this.#leaked = false;
      this.#buffer = Buffer.allocUnsafeSlow(serverLimits.outboxBytes);
    }
  }

  /** A recipient that held on to a buffer has sent it, or is gone. */
  letGo(from: Recipient): void {
    if (from.holdsOutbox) {
      from.holdsOutbox = false;
      this.#holders--;
    }
  }

  #copy(source: Uint8Array, length: number): void {
    const end = this.#end;
    if (length <= serverLimits.loopCopyBytesMax) {
      const buffer = this.#buffer;
      for (let index = 0; index < length; index++) {
        buffer[end + index] = source[index] ?? 0;
      }
    } else {
      this.#buffer.set(length === source.length ? source : source.subarray(0, length), end);
    }
    this.#end = end + length;
  }

  #write(to: Recipient): void {
    const { outStart, outEnd } = to;
    to.outStart = 0;
    to.outEnd = 0;
    const bytes = this.#buffer.subarray(outStart, outEnd);
    if (this.#holders >= serverLimits.outboxesHeldMax) {
      // Many slow readers: each keeps its own replies only, not a whole buffer.
      to.write(Buffer.from(bytes));
    } else if (!to.write(bytes)) {
      this.#leaked = true;
      if (!to.holdsOutbox) {
        to.holdsOutbox = true;
        this.#holders++;
      }
    }
  }
}
