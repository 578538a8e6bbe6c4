/**
 * What goes wrong in a run: each profile stresses some rules. A run without `--profile` draws one from
 * its seed; a broken rule names the one that finds it soonest.
 */

import type { BreakableRule } from '../core/rules.ts';

/** Chances are for each step of a run, about 150 ms of it. */
export interface Profile {
  readonly nodes: number;
  readonly replicationFactor: number;
  readonly minInSync: number;
  readonly crash: number;
  readonly pause: number;
  readonly pauseMs: number;
  readonly cut: number;
  readonly heal: number;
  readonly outage: number;
  readonly handOver: number;
  readonly move: number;
  /** Of the store: parts of replies lost, requests late. */
  readonly lost: number;
  readonly late: number;
  readonly storeMs: number;
  readonly watchMs: number;
  /** Of messages. */
  readonly loss: number;
  readonly doubled: number;
  readonly slow: number;
  readonly delayMs: number;
  readonly pauseOfClientsMs: number;
  readonly astray: number;
  readonly reads: number;
  readonly slowReadMs: number;
  readonly logBytesMax: number;
}

const general: Profile = {
  nodes: 3,
  replicationFactor: 3,
  minInSync: 1,
  crash: 0.03,
  pause: 0.04,
  pauseMs: 3_000,
  cut: 0.05,
  heal: 0.06,
  outage: 0.02,
  handOver: 0.03,
  move: 0,
  lost: 0.1,
  late: 0.1,
  storeMs: 5,
  watchMs: 200,
  loss: 0.02,
  doubled: 0.05,
  slow: 0.02,
  delayMs: 5,
  pauseOfClientsMs: 80,
  astray: 0.3,
  reads: 0.5,
  slowReadMs: 20,
  logBytesMax: 200,
};

export const profiles = {
  general,
  calm: { ...general, crash: 0, pause: 0, cut: 0, outage: 0, lost: 0, late: 0, loss: 0, slow: 0 },
  partitions: { ...general, crash: 0.005, pause: 0.01, cut: 0.12, heal: 0.08, lost: 0, late: 0 },
  pauses: { ...general, crash: 0, pause: 0.12, cut: 0.02, slowReadMs: 3_000, handOver: 0.06 },
  store: {
    ...general,
    lost: 0.35,
    late: 0.35,
    outage: 0.06,
    cut: 0.08,
    handOver: 0.1,
    watchMs: 2_000,
  },
  crashes: { ...general, crash: 0.1, pause: 0.02, loss: 0.05 },
  /** Replicas leave and join the set all the time, and what became of it is in doubt. */
  joins: {
    ...general,
    crash: 0.1,
    pause: 0.08,
    pauseMs: 2_000,
    cut: 0.06,
    heal: 0.3,
    lost: 0.5,
    late: 0.4,
    outage: 0,
    handOver: 0,
    watchMs: 1_500,
  },
  /** Leaders are cut off and come back while campaigns against them are in doubt. */
  doubts: {
    ...general,
    crash: 0,
    pause: 0.1,
    pauseMs: 1_800,
    cut: 0.1,
    heal: 0.3,
    lost: 0.5,
    late: 0.7,
    outage: 0,
    handOver: 0.15,
    watchMs: 2_000,
    reads: 0.7,
    pauseOfClientsMs: 40,
  },
  five: { ...general, nodes: 5, replicationFactor: 5, minInSync: 2 },
  moves: { ...general, nodes: 5, move: 0.06, minInSync: 2 },
  messages: { ...general, loss: 0.1, doubled: 0.2, slow: 0.15, handOver: 0.08 },
  minimum: { ...general, minInSync: 2, cut: 0.12, lost: 0.3, late: 0.3, reads: 0.1 },
  pairs: {
    ...general,
    nodes: 2,
    replicationFactor: 2,
    crash: 0,
    pause: 0,
    cut: 0.15,
    heal: 0.1,
    lost: 0,
    late: 0,
    storeMs: 1,
    watchMs: 3_000,
    delayMs: 1,
    loss: 0,
    slow: 0,
    pauseOfClientsMs: 25,
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;

export const profileOf: Partial<Record<BreakableRule, ProfileName>> = {
  'promise-without-margin': 'pairs',
  'promise-from-receipt': 'messages',
  'read-unchecked': 'partitions',
  'campaign-unexpired': 'partitions',
  'read-cached': 'partitions',
  'read-across-leaderships': 'pauses',
  'shrink-early': 'store',
  'shrink-early-commit': 'store',
  'shrink-early-promise': 'store',
  'grow-late': 'joins',
  'grow-late-commit': 'joins',
  'grow-late-promise': 'joins',
  'grow-reread': 'joins',
  'campaign-reread': 'doubts',
  'hand-over-reread': 'doubts',
  'campaign-promising': 'doubts',
  'hand-over-serving': 'store',
  'commit-unreconciled': 'messages',
  'ack-without-sequence': 'messages',
  'old-epoch-accepted': 'messages',
  'ack-without-incarnation': 'crashes',
  'grow-without-pending': 'joins',
  'minimum-of-maximal': 'minimum',
  'minimum-of-confirmed': 'minimum',
  'minimum-at-start-only': 'minimum',
};
