/**
 * What goes wrong in a run: each profile stresses some rules. A run without `--profile` draws one from
 * its seed; a broken rule names the one that finds it soonest (`broken.ts`).
 */

import type { Cause } from '../core/lease.ts';
import type { FaultName } from './faults.ts';

export interface Profile {
  readonly nodes: number;
  readonly shards: number;
  readonly replicationFactor: number;
  readonly minInSync: number;
  /** Of Leases at the start: so many nodes are assigned at first, all of `replicationFactor` soon after. */
  readonly assigned: readonly number[];
  /** Chances for each step of a run, about 100 ms of it. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly steps: number;
  readonly pauseMs: number;
  readonly restartMs: number;
  /** Chances of faults at the worst moment (`moments.ts`). */
  readonly isolateDeposed: number;
  readonly isolateGrown: number;
  readonly cutLate: number;
  readonly deleteStored: number;
  /** Of the store: parts of replies lost, requests late (of a cause, where that is named), writes turned away. */
  readonly lost: number;
  readonly late: number;
  readonly lateOf: Readonly<Partial<Record<Cause, number>>>;
  readonly busy: number;
  readonly storeMs: number;
  readonly watchMs: number;
  /** Of messages. Datagrams: beside the connections, so that they are lost, doubled and in any order. */
  readonly datagrams: boolean;
  readonly loss: number;
  readonly doubled: number;
  readonly slow: number;
  readonly delayMs: number;
  readonly extremeRates: boolean;
  /** Of clients. */
  readonly keys: number;
  readonly clients: number;
  readonly clientPauseMs: number;
  readonly astray: number;
  readonly reads: number;
  readonly slowReadMs: number;
  /** Part of reads that any replica serves. */
  readonly anyReplica: number;
  /** Part of the clients that send writes again, part of writes that increment; sessions that a shard keeps. */
  readonly retrying: number;
  readonly increments: number;
  readonly answersLost: number;
  readonly retryMs: number;
  readonly sessionsMax: number;
  readonly logBytesMax: number;
}

const general: Profile = {
  nodes: 3,
  shards: 2,
  replicationFactor: 3,
  minInSync: 1,
  assigned: [3],
  faults: {
    crash: 0.02,
    'crash-leader': 0.01,
    pause: 0.02,
    'pause-leader': 0.01,
    cut: 0.03,
    heal: 0.05,
    isolate: 0.01,
    'isolate-leader': 0.01,
    'connections-break': 0.01,
    outage: 0.01,
    'hand-over': 0.03,
    memory: 0.01,
    'delete-lease': 0.005,
  },
  steps: 50,
  pauseMs: 2_000,
  restartMs: 1_500,
  isolateDeposed: 0.2,
  isolateGrown: 0.1,
  cutLate: 0.1,
  deleteStored: 0,
  lost: 0.1,
  late: 0.1,
  lateOf: {},
  busy: 0.05,
  storeMs: 5,
  watchMs: 200,
  datagrams: false,
  loss: 0.02,
  doubled: 0.05,
  slow: 0.02,
  delayMs: 5,
  extremeRates: false,
  keys: 3,
  clients: 4,
  clientPauseMs: 80,
  astray: 0.2,
  reads: 0.5,
  slowReadMs: 20,
  anyReplica: 0.1,
  retrying: 0.5,
  increments: 0.2,
  answersLost: 0.05,
  retryMs: 500,
  sessionsMax: 100,
  logBytesMax: 2_000,
};

/** One shard whose faults are aimed at it. */
const aimed: Profile = {
  ...general,
  shards: 1,
  keys: 2,
  retrying: 0.25,
  faults: {},
  busy: 0,
  watchMs: 500,
};

export const profiles = {
  general,
  datagrams: { ...general, datagrams: true, retrying: 0, increments: 0 },
  calm: { ...general, faults: { 'hand-over': 0.05 }, lost: 0, late: 0, busy: 0, slow: 0 },
  five: { ...general, nodes: 5, replicationFactor: 5, minInSync: 2, assigned: [5] },
  /** Many shards on many nodes, and no fault but of whole nodes. */
  many: { ...general, nodes: 6, shards: 8, keys: 1, clients: 6 },
  /** Assignments change, and how many nodes they name. */
  moves: {
    ...general,
    nodes: 5,
    assigned: [1, 2, 3],
    faults: { ...general.faults, move: 0.03, factor: 0.03 },
  },
  /** Every write is sent again until its answer comes, and few sessions are kept. */
  retries: {
    ...general,
    shards: 1,
    keys: 1,
    faults: { ...general.faults, 'crash-leader': 0.03, 'pause-leader': 0.03, 'hand-over': 0.05 },
    retrying: 1,
    increments: 0.5,
    reads: 0.2,
    sessionsMax: 6,
    clients: 5,
  },
  /** Answers get lost, and whoever leads next has all that it knows from a snapshot. */
  snapshots: {
    ...aimed,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    faults: { bounce: 0.04, 'crash-leader': 0.04 },
    restartMs: 200,
    logBytesMax: 0,
    retrying: 1,
    increments: 0.5,
    answersLost: 0.3,
    retryMs: 2_500,
    reads: 0.1,
    keys: 1,
    clients: 8,
    lost: 0,
    late: 0,
  },
  settings: { ...general, faults: { ...general.faults, settings: 0.05 } },
  /** Followers have no room, for a while. */
  memory: { ...aimed, faults: { memory: 0.1, crash: 0.03, cut: 0.03, heal: 0.05 } },
  /** Leases are deleted by hand. */
  deleted: {
    ...aimed,
    steps: 80,
    faults: { ...general.faults, crash: 0.05, 'delete-lease': 0.03, outage: 0 },
    restartMs: 300,
    lost: 0.3,
    deleteStored: 0.3,
    isolateDeposed: 0.3,
    isolateGrown: 0.1,
    clientPauseMs: 300,
  },
  /** Everything dies at once, and begins again empty. */
  restarts: { ...general, faults: { ...general.faults, 'restart-all': 0.015 } },
  partitions: {
    ...aimed,
    faults: { cut: 0.1, heal: 0.06, isolate: 0.02, 'isolate-leader': 0.04 },
    lost: 0,
    late: 0,
  },
  /** Reads of any replica, while leaders are cut off and others lead. */
  replicas: {
    ...aimed,
    faults: { cut: 0.05, heal: 0.06, 'isolate-leader': 0.04, 'pause-leader': 0.03, crash: 0.02 },
    isolateDeposed: 0.5,
    anyReplica: 0.8,
    reads: 0.6,
    keys: 1,
    clientPauseMs: 40,
  },
  pauses: {
    ...aimed,
    faults: { pause: 0.05, 'pause-leader': 0.08, 'hand-over': 0.05, cut: 0.01, heal: 0.05 },
    slowReadMs: 3_000,
  },
  /** Leaders change by hand-over, of unknown fate; the old one learns of it last. */
  handovers: {
    ...aimed,
    retrying: 0,
    increments: 0,
    anyReplica: 0,
    steps: 80,
    // Rare enough that one that is late is often stored before the next takes its version away.
    faults: { 'hand-over': 0.05, cut: 0.02, heal: 0.05 },
    isolateDeposed: 0.9,
    lost: 0.05,
    late: 0.05,
    lateOf: { HandOver: 0.6 },
    // The next leader learns of it while what others promised the old one still holds.
    watchMs: 100,
    clientPauseMs: 40,
    reads: 0.6,
    keys: 1,
  },
  /** Leaders die just after they committed, before their followers know. */
  inheritances: {
    ...aimed,
    datagrams: true,
    retrying: 0,
    increments: 0,
    faults: { 'crash-leader': 0.06, 'isolate-leader': 0.03 },
    restartMs: 300,
    loss: 0.3,
    lost: 0,
    late: 0,
    clients: 6,
    clientPauseMs: 40,
    reads: 0.8,
    keys: 1,
  },
  /** Campaigns of unknown fate against leaders that come back meanwhile. */
  campaigns: {
    ...aimed,
    retrying: 0,
    increments: 0,
    anyReplica: 0,
    faults: { 'isolate-leader': 0.06, heal: 0.02 },
    isolateDeposed: 0.8,
    cutLate: 0,
    lost: 0.3,
    late: 0.6,
    watchMs: 1_500,
    clientPauseMs: 40,
    reads: 0.6,
    keys: 1,
  },
  /** The same with two nodes: who campaigns leads alone. */
  duels: {
    ...aimed,
    retrying: 0,
    increments: 0,
    anyReplica: 0,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    steps: 80,
    // Who is back with its peer, but not with the API server, can't remove it, which would settle the campaign.
    faults: { 'strand-leader': 0.03, 'isolate-leader': 0.01 },
    isolateDeposed: 0.9,
    cutLate: 0,
    lost: 0.05,
    late: 0.05,
    lateOf: { Campaign: 0.6 },
    watchMs: 1_000,
    clientPauseMs: 40,
    reads: 0.6,
    keys: 1,
  },
  crashes: { ...aimed, faults: { crash: 0.08, 'crash-leader': 0.04, pause: 0.02 } },
  /** Two nodes: whoever joins makes the set two, whoever leaves makes it one. */
  joins: {
    ...aimed,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    faults: { crash: 0.06, bounce: 0.03, isolate: 0.03 },
    restartMs: 300,
    isolateDeposed: 0.5,
    isolateGrown: 0.4,
    cutLate: 0.6,
    lost: 0.3,
    late: 0.4,
    watchMs: 1_500,
    keys: 1,
  },
  /** The same, where messages are slow and whether somebody joined is long in doubt. */
  growths: {
    ...aimed,
    steps: 80,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    faults: { bounce: 0.05, cut: 0.02, heal: 0.05 },
    isolateGrown: 0.9,
    cutLate: 0.8,
    lost: 0.1,
    late: 0.1,
    lateOf: { Grow: 0.5, Shrink: 0.5 },
    // Messages take longer than the store: who joins lacks what is under way to it.
    storeMs: 1,
    delayMs: 10,
    slow: 0.1,
    watchMs: 1_000,
    keys: 1,
    clientPauseMs: 40,
  },
  /** Three nodes, of which one is always on its way back into the set. */
  returns: {
    ...aimed,
    faults: { crash: 0.05, 'crash-leader': 0.05, cut: 0.03, heal: 0.1 },
    restartMs: 200,
    isolateGrown: 0.3,
    cutLate: 0.3,
    lost: 0.2,
    late: 0.2,
    watchMs: 1_000,
  },
  successions: {
    ...aimed,
    faults: { succession: 0.05, heal: 0.01 },
    lost: 0,
    late: 0,
    clientPauseMs: 30,
    reads: 0.2,
  },
  /** Leaders die and are paused, and what they said comes when another leads. */
  delays: {
    ...aimed,
    datagrams: true,
    retrying: 0,
    increments: 0,
    faults: { 'crash-leader': 0.06, 'pause-leader': 0.06 },
    lost: 0,
    late: 0,
    loss: 0,
    slow: 0.3,
    delayMs: 15,
    clientPauseMs: 40,
    reads: 0.2,
  },
  bounces: {
    ...aimed,
    datagrams: true,
    retrying: 0,
    increments: 0,
    steps: 80,
    faults: { bounce: 0.1, 'crash-leader': 0.03 },
    slow: 0.3,
    doubled: 0.3,
    loss: 0,
    lost: 0,
    late: 0,
    // Writes are rare: the next one would show that whoever is back lacks the one before.
    clientPauseMs: 800,
  },
  store: {
    ...aimed,
    steps: 80,
    faults: { outage: 0.02, cut: 0.08, heal: 0.06, 'hand-over': 0.05, 'isolate-leader': 0.02 },
    lost: 0.35,
    late: 0.35,
    // Removals above all, and whoever is being removed takes the leadership.
    lateOf: { Shrink: 0.5, Campaign: 0.1 },
    busy: 0.1,
    watchMs: 2_000,
    isolateDeposed: 0.4,
    cutLate: 0.2,
  },
  messages: {
    ...aimed,
    datagrams: true,
    retrying: 0,
    increments: 0,
    faults: { ...general.faults, 'hand-over': 0.08, 'delete-lease': 0 },
    loss: 0.1,
    doubled: 0.2,
    slow: 0.15,
  },
  minimum: {
    ...aimed,
    minInSync: 2,
    faults: { cut: 0.1, heal: 0.06, crash: 0.02 },
    lost: 0.3,
    late: 0.3,
    reads: 0.1,
  },
  /**
   * Nobody may be missing, and no leader waits for others to lead instead. Followers are silent until they are removed, and
   * then hold what comes, while the leader has not heard yet that they were.
   */
  removals: {
    ...aimed,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    minInSync: 2,
    faults: { pause: 0.1, cut: 0.03, heal: 0.06, crash: 0.02 },
    lost: 0.3,
    late: 0.3,
    watchMs: 2_000,
    reads: 0.1,
  },
  /** Nodes are asked to end, one or several at a time, while others crash and come back. */
  stops: {
    ...general,
    assigned: [2, 3],
    faults: {
      ...general.faults,
      stop: 0.06,
      'stop-some': 0.02,
      factor: 0.01,
    },
    restartMs: 800,
  },
  /** Machines are suspended, and their clocks with them. */
  suspensions: {
    ...general,
    faults: { ...general.faults, suspend: 0.04, 'suspend-leader': 0.06 },
    anyReplica: 0.3,
    lost: 0.02,
    late: 0.02,
  },
  /** Leaders that hear late and say nothing. */
  mutes: {
    ...aimed,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    faults: { mute: 0.05 },
    lost: 0,
    late: 0,
    storeMs: 1,
    watchMs: 3_000,
    clientPauseMs: 25,
    keys: 1,
  },
  /** Clocks as far apart as they may be, and leaders cut off: what a promise's margin is for. */
  drifts: {
    ...aimed,
    nodes: 2,
    replicationFactor: 2,
    assigned: [2],
    faults: { 'isolate-leader': 0.06 },
    extremeRates: true,
    lost: 0,
    late: 0,
    storeMs: 1,
    watchMs: 3_000,
    delayMs: 1,
    slow: 0,
    clientPauseMs: 15,
    keys: 1,
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof profiles;
