import { ConfigurationError } from './errors.ts';
import { limits } from './limits.ts';
import { showBytes } from './setting.ts';

export interface BudgetInput {
  /** Bytes that the whole process may take. */
  readonly memoryLimitBytes: number;
  /** Where the limit comes from, for the message. */
  readonly origin: string;
  readonly percent: number;
  readonly threads: number;
  readonly connectionsMax: number;
}

export interface Budget {
  /** What data may take: records, tables, buffers of the arena. */
  readonly budgetBytes: number;
  /** Address space of the arena. */
  readonly reservedBytes: number;
  /** What the limit would allow and one arena can't hold. */
  readonly unusedBytes: number;
}

/**
 * min(percent of the limit, limit - process - threads - buffers), and at most one arena.
 * Throws ConfigurationError when the limit is too small to be worth a start.
 */
export function computeBudget(input: BudgetInput): Budget {
  const { memoryLimitBytes: limit } = input;
  if (limit < limits.memoryLimitBytesMin) {
    throw tooSmall(input, `a node needs at least ${showBytes(limits.memoryLimitBytesMin)}`);
  }
  const overhead =
    limits.processBytes +
    limits.threadBytes * input.threads +
    limits.sendBufferBytes +
    limits.connectionBytes * input.connectionsMax;
  const wanted = Math.floor(Math.min((limit * input.percent) / 100, limit - overhead));
  if (wanted < limits.arenaOverheadBytes) {
    throw tooSmall(
      input,
      `${input.threads} threads and ${input.connectionsMax} connections take ` +
        `${Math.ceil(overhead / 2 ** 20)}Mi of it: raise it, or lower RDB_THREADS or RDB_CONNECTIONS_MAX`,
    );
  }
  const budgetBytes = Math.min(wanted, limits.arenaBytesMax - limits.arenaOverheadBytes);
  // Size classes leave gaps: address space is cheap, only touched pages cost memory.
  const reserved = Math.ceil(budgetBytes * 1.25) + limits.arenaOverheadBytes;
  return {
    budgetBytes,
    reservedBytes: Math.min(reserved, limits.arenaBytesMax),
    unusedBytes: wanted - budgetBytes,
  };
}

function tooSmall(input: BudgetInput, reason: string): ConfigurationError {
  const shown = `${Math.floor(input.memoryLimitBytes / 2 ** 20)}Mi`;
  return new ConfigurationError(`the memory limit is ${shown} (${input.origin}), ${reason}`);
}
