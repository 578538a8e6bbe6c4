/** What must hold, watched from outside: the checkers know nothing of the core's rules. */

import type { Generation, Incarnation } from '../core/identity.ts';
import type { LogEntry } from '../core/position.ts';
import { type CounterOperation, counterFault } from './counters.ts';
import { linearizabilityFault, type RegisterOperation } from './linearizability.ts';
import { Violation } from './world.ts';

export class ShardChecker {
  readonly shard: number;
  readonly generation: Generation;
  readonly #leaders = new Map<number, Incarnation>();
  /** The one log: what was committed first at each sequence. */
  readonly #log = new Map<number, LogEntry>();
  readonly #histories = new Map<string, RegisterOperation[]>();
  readonly #counts: CounterOperation[] = [];
  #acknowledged = 0;
  /** The whole set died: what it held is lost, as the guarantees say. */
  lost = false;
  operations = 0;

  /** When this generation of the shard began. */
  readonly sinceMs: number;

  constructor(shard: number, generation: Generation, sinceMs: number) {
    this.shard = shard;
    this.generation = generation;
    this.sinceMs = sinceMs;
  }

  leads(self: Incarnation, epoch: number): void {
    const before = this.#leaders.get(epoch) ?? self;
    if (before !== self) {
      throw new Violation('one-leader', `${before} and ${self} led epoch ${epoch}`);
    }
    this.#leaders.set(epoch, self);
  }

  /** A replica that has not heard yet of the new generation may still apply what came to it of a lost one. */
  committed(self: Incarnation, of: Generation, entries: readonly LogEntry[]): void {
    if (this.lost || of < this.generation) return;
    if (of > this.generation) {
      throw new Violation('one-log', `${self} commits in generation ${of}, which has not begun`);
    }
    for (const entry of entries) {
      const { sequence, epoch, content } = entry;
      const before = this.#log.get(sequence);
      if (before === undefined) {
        this.#log.set(sequence, entry);
      } else if (before.epoch !== epoch || Buffer.compare(before.content, content) !== 0) {
        throw new Violation('one-log', `${self} commits ${text(entry)}, not ${text(before)}`);
      }
    }
  }

  acknowledged(of: Generation, sequence: number): void {
    if (of < this.generation) return;
    this.#acknowledged = Math.max(this.#acknowledged, sequence);
  }

  tooFew(self: Incarnation, copies: number, minimum: number): void {
    if (this.lost || copies >= minimum) return;
    throw new Violation(
      'copies',
      `${self} acknowledged with ${copies} copies in sync, not ${minimum}`,
    );
  }

  record(key: string, operation: RegisterOperation): void {
    this.operations++;
    const history = this.#histories.get(key);
    if (history === undefined) this.#histories.set(key, [operation]);
    else history.push(operation);
  }

  count(operation: CounterOperation): void {
    this.operations++;
    this.#counts.push(operation);
  }

  checkHistories(): void {
    if (this.lost) return;
    const miscounted = counterFault(this.#counts);
    if (miscounted !== undefined) throw new Violation('exactly-once', `the counter: ${miscounted}`);
    for (const [key, history] of this.#histories) {
      const fault = linearizabilityFault(history);
      if (fault !== undefined) throw new Violation('linearizability', `key ${key}: ${fault}`);
    }
  }

  checkNothingLost(applied: number): void {
    if (this.lost || applied >= this.#acknowledged) return;
    throw new Violation(
      'durability',
      `the shard ends at ${applied}, but ${this.#acknowledged} was acknowledged`,
    );
  }
}

const text = ({ sequence, epoch, content }: LogEntry): string =>
  `${epoch}.${sequence}=${new TextDecoder().decode(content)}`;
