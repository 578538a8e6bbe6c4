/** What all parts of a simulation share. */

import type { BreakableRule } from '../core/rules.ts';
import type { VirtualClock } from './clock.ts';

export interface World {
  readonly clock: VirtualClock;
  readonly random: () => number;
  readonly broken: BreakableRule | undefined;
  /** Adds a line to the trace; made only where a trace is kept. */
  readonly note: (line: () => string) => void;
}

/** A checker found a guarantee broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(`${checker}: ${message}`);
    this.checker = checker;
  }
}

export const pick = <T>(values: readonly T[], random: () => number): T | undefined =>
  values[Math.floor(random() * values.length)];
