/** A long value on its way to a socket: piece by piece, straight from the arena, where it is pinned meanwhile. */
import type { Engine } from '../engine/types.ts';
import { serverLimits } from './limits.ts';

export interface LongValueOptions {
  readonly engine: Engine;
  /** Of the arena, pinned. */
  readonly address: number;
  readonly length: number;
  /** The client has turned replies off: nothing is written. */
  readonly silent: boolean;
}

export class LongValue {
  readonly #options: LongValueOptions;
  #sent = 0;
  #pinned = true;

  constructor(options: LongValueOptions) {
    this.#options = options;
  }

  get silent(): boolean {
    return this.#options.silent;
  }

  /** Gives pieces to `write` until all is sent, or it says that the socket takes no more: false. */
  send(write: (bytes: Uint8Array) => boolean): boolean {
    const { engine, address, length, silent } = this.#options;
    while (this.#sent < length) {
      const piece = Math.min(serverLimits.longValuePieceBytes, length - this.#sent);
      const bytes = engine.view(address + this.#sent, piece);
      this.#sent += piece;
      if (!silent && !write(bytes)) return false;
    }
    this.unpin();
    return true;
  }

  unpin(): void {
    if (this.#pinned) this.#options.engine.unpin(this.#options.address);
    this.#pinned = false;
  }
}
