/** What a spec means: fields that depend on others filled in, and what is wrong with it. */
import { limits } from './limits.ts';
import { unitsRoundedUp } from './quantity.ts';
import type { RDbCluster, RDbClusterSpec, TotalLoss } from './resource.ts';

const MEBIBYTE = 1024 ** 2;

export interface Resolved {
  readonly threads: number;
  /** What nodes are told: below the spec's while it is being raised (plan/copies.ts). */
  readonly minInSyncReplicas: number;
  readonly totalLoss: TotalLoss;
  readonly memoryLimitBytes: number;
  /** What can't work, each a sentence that says what to do. The schema refuses most of it before. */
  readonly problems: readonly string[];
  /** What works, and is worth knowing. */
  readonly warnings: readonly Warning[];
}

export interface Warning {
  readonly reason: 'MemoryUnused' | 'NoFailureTolerated';
  readonly message: string;
}

export function resolve(cluster: RDbCluster): Resolved {
  const { spec } = cluster;
  const threads = threadsOf(spec);
  const memoryLimitBytes = unitsRoundedUp(spec.resources.limits?.['memory'] ?? '') ?? 0;
  const problems = problemsOf(cluster, threads, memoryLimitBytes);
  return {
    threads,
    minInSyncReplicas: minInSyncOf(spec),
    totalLoss: spec.failover.totalLoss ?? (spec.replicationFactor === 1 ? 'Reset' : 'Hold'),
    memoryLimitBytes,
    problems,
    warnings: warningsOf(spec, memoryLimitBytes),
  };
}

/** Never the machine's cores: a container sees all of them, whatever its share. */
function threadsOf(spec: RDbClusterSpec): number {
  if (spec.threads !== undefined) return spec.threads;
  const cpu = spec.resources.limits?.['cpu'] ?? spec.resources.requests?.['cpu'];
  const cores = cpu === undefined ? undefined : unitsRoundedUp(cpu);
  return Math.min(limits.threadsMax, Math.max(1, cores ?? 1));
}

function problemsOf(cluster: RDbCluster, threads: number, memoryLimitBytes: number): string[] {
  const { spec, metadata } = cluster;
  const problems: string[] = [];
  if (metadata.name.length > limits.clusterNameCharactersMax || metadata.name.endsWith('-nodes')) {
    problems.push(
      `the name ${metadata.name} is too long or ends in -nodes: choose one of at most ` +
        `${limits.clusterNameCharactersMax} characters`,
    );
  }
  if (spec.replicationFactor > spec.nodes) {
    problems.push(
      `replicationFactor is ${spec.replicationFactor} and there are ${spec.nodes} nodes: each copy needs ` +
        'a node of its own; lower replicationFactor',
    );
  }
  const neededMebibytes = limits.nodeOverheadMebibytes + limits.threadMebibytes * threads;
  if (memoryLimitBytes < neededMebibytes * MEBIBYTE) {
    problems.push(
      `resources.limits.memory must be at least ${neededMebibytes}Mi for ${threads} data threads: ` +
        'raise it, or set threads lower',
    );
  }
  return problems;
}

function minInSyncOf({ minInSyncReplicas, replicationFactor }: RDbClusterSpec): number {
  return minInSyncReplicas ?? Math.ceil(replicationFactor / 2);
}

/** What weighs most comes first. */
function warningsOf(spec: RDbClusterSpec, memoryLimitBytes: number): Warning[] {
  const warnings: Warning[] = [];
  const { replicationFactor } = spec;
  if (replicationFactor > 1 && minInSyncOf(spec) === replicationFactor) {
    warnings.push({
      reason: 'NoFailureTolerated',
      message:
        `minInSyncReplicas is ${replicationFactor}, as is replicationFactor: whenever a node is away, ` +
        'its shards take no writes; lower minInSyncReplicas or raise replicationFactor',
    });
  }
  const budget = (memoryLimitBytes * spec.memory.budgetPercent) / 100;
  if (budget > limits.arenaBytesMax) {
    const used = Math.floor(limits.arenaBytesMax / MEBIBYTE);
    warnings.push({
      reason: 'MemoryUnused',
      message:
        `A node holds at most ${used}Mi of data in this release, and its budget would be ` +
        `${Math.floor(budget / MEBIBYTE)}Mi: lower resources.limits.memory, or take more nodes`,
    });
  }
  return warnings;
}
