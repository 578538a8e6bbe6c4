/** The configuration of one node: the settings, and what follows from them and the container. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { type Budget, computeBudget } from './budget.ts';
import { containerLimits, type ReadFile } from './cgroup.ts';
import { readDirectory, reload } from './directory.ts';
import { readFlags, readSettings, type Sources } from './read.ts';
import type { Settings } from './schema.ts';

export interface NodeConfiguration extends Settings {
  readonly threads: number;
  readonly advertiseHost: string;
  readonly budget: Budget;
}

export interface Started {
  readonly configuration: NodeConfiguration;
  readonly sources: Sources;
  /** For the log: what in the configuration directory was not taken. */
  readonly rejected: readonly string[];
}

/** Throws ConfigurationError. */
export function configure(
  environment: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
  read: ReadFile = readText,
): Started {
  const sources: Sources = { flags: readFlags(argv), environment };
  let settings = readSettings(sources);
  let rejected: readonly string[] = [];
  if (settings.configurationDirectory !== undefined) {
    ({ settings, rejected } = reload(
      settings,
      sources,
      readDirectory(settings.configurationDirectory),
    ));
  }
  return { configuration: resolve(settings, read), sources, rejected };
}

function resolve(settings: Settings, read: ReadFile): NodeConfiguration {
  const container = containerLimits(read);
  const threads = settings.threads ?? Math.max(1, Math.ceil(container.cpus ?? 1));
  const [memoryLimitBytes, origin] =
    settings.memoryLimit !== undefined
      ? [settings.memoryLimit, 'RDB_MEMORY_LIMIT']
      : container.memoryBytes !== undefined
        ? [container.memoryBytes, "the container's limit"]
        : [totalmem(), "the machine's memory"];
  const budget = computeBudget({
    memoryLimitBytes,
    origin,
    percent: settings.memoryBudgetPercent,
    threads,
    connectionsMax: settings.connectionsMax,
  });
  return { ...settings, threads, advertiseHost: settings.advertiseHost ?? settings.node, budget };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
