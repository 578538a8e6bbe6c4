/** A client's side of its session: numbers for its writes, and which of them it has answers of. */

import type { RequestId } from '../core/sessions.ts';
import type { World } from './world.ts';

/** Wall clock at the start of a simulation. */
export const epochMs = 1_800_000_000_000;

export class SessionClient {
  readonly #world: World;
  #session: Uint8Array;
  #number = 0;
  readonly #open = new Set<number>();

  constructor(world: World) {
    this.#world = world;
    this.#session = this.#newSession(world.clock.nowMs);
  }

  begin(nowMs: number): RequestId {
    if (this.#number > 40) this.renew(nowMs);
    const number = ++this.#number;
    this.#open.add(number);
    return { session: this.#session, number, answeredBelow: this.#answeredBelow() };
  }

  /** The same again, with what has been answered meanwhile; of a session that was left, as it was. */
  again(request: RequestId): RequestId {
    if (request.session !== this.#session) return request;
    return { ...request, answeredBelow: Math.min(request.number, this.#answeredBelow()) };
  }

  /** Its answer is here, or no longer wanted. */
  answered(number: number): void {
    this.#open.delete(number);
  }

  /** Another session from now on. */
  renew(nowMs: number): void {
    this.#session = this.#newSession(nowMs);
    this.#number = 0;
    this.#open.clear();
  }

  #answeredBelow(): number {
    return Math.min(this.#number + 1, ...this.#open);
  }

  #newSession(nowMs: number): Uint8Array {
    const { random } = this.#world;
    const session = new Uint8Array(16);
    const view = new DataView(session.buffer);
    view.setBigUint64(0, BigInt(Math.floor(epochMs + nowMs)) << 16n);
    for (let at = 6; at < 16; at++) session[at] = Math.floor(random() * 256);
    return session;
  }
}
