/** Which profile finds that a rule is broken, soonest. */

import { type BreakableRule, breakableRules } from '../core/rules.ts';
import type { ProfileName } from './profiles.ts';

export const profileOf: Readonly<Record<BreakableRule, ProfileName>> = {
  'commit-by-majority': 'partitions',
  'shrink-early': 'store',
  'shrink-early-commit': 'store',
  'shrink-early-promise': 'store',
  'grow-late': 'joins',
  'grow-late-commit': 'joins',
  'grow-late-promise': 'joins',
  'grow-reread': 'growths',
  'campaign-reread': 'duels',
  'hand-over-reread': 'handovers',
  'grow-not-caught-up': 'returns',
  'grow-without-pending': 'growths',
  'old-epoch-accepted': 'delays',
  'ack-without-sequence': 'messages',
  'ack-without-incarnation': 'bounces',
  'names-not-incarnations': 'crashes',
  'promise-from-receipt': 'mutes',
  'promise-without-margin': 'drifts',
  'promise-of-suspended': 'suspensions',
  'read-unchecked': 'partitions',
  'read-cached': 'partitions',
  'read-across-leaderships': 'pauses',
  'campaign-unexpired': 'partitions',
  'campaign-promising': 'campaigns',
  'campaign-outside-set': 'partitions',
  'take-over-drops-pending': 'crashes',
  'take-over-trusts-pending': 'successions',
  'take-over-reads-early': 'inheritances',
  'commit-unreconciled': 'messages',
  'hand-over-serving': 'handovers',
  'hand-over-outside-set': 'handovers',
  'minimum-of-maximal': 'minimum',
  'minimum-of-confirmed': 'removals',
  'minimum-at-start-only': 'minimum',
  'fresh-without-promises': 'replicas',
  'lease-anew-by-some': 'deleted',
  'lease-anew-outside-set': 'deleted',
  'retry-executed-again': 'retries',
  'snapshot-without-sessions': 'snapshots',
};

export const rules = Object.keys(breakableRules) as BreakableRule[];
