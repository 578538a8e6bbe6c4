/** Whether the simulation notices a broken rule: the first seed that does, and the checker that said so. */

import type { BreakableRule } from '../core/rules.ts';
import { profileOf } from './broken.ts';
import type { ProfileName } from './profiles.ts';
import { simulate } from './simulate.ts';
import type { Violation } from './world.ts';

export interface Hunt {
  readonly rule: BreakableRule;
  readonly profile: ProfileName;
  /** Runs that it took, the one that found it included; or all of them. */
  readonly seeds: number;
  readonly violation: Violation | undefined;
}

export function hunt(given: {
  readonly rule: BreakableRule;
  readonly profile?: ProfileName | undefined;
  readonly from: number;
  readonly seeds: number;
}): Hunt {
  const { rule, from, seeds } = given;
  const profile = given.profile ?? profileOf[rule];
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation } = simulate({ seed, broken: rule, profile });
    // That a cluster with a broken rule does not come to rest shows little: what was promised must break.
    if (violation === undefined || violation.checker === 'progress') continue;
    return { rule, profile, seeds: seed - from + 1, violation };
  }
  return { rule, profile, seeds, violation: undefined };
}
