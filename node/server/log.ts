/** JSON lines on standard output. Every thread has a logger of its own; a line is one write. */
import { destination, type Logger, pino } from 'pino';

export type { Logger };

export interface LogOptions {
  readonly level: string;
  readonly node: string;
  /** Undefined: the main thread. */
  readonly thread?: number;
}

export function makeLog({ level, node, thread }: LogOptions): Logger {
  return pino(
    {
      level,
      formatters: { level: (label) => ({ level: label }) },
      base: thread === undefined ? { node } : { node, thread },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    // Synchronous: what was said last before a crash is what one wants to read.
    destination({ fd: 1, sync: true }),
  );
}
