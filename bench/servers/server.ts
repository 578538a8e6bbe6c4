/** A running server that is measured. Disposing of it ends what was started, and nothing else. */
export interface BenchServer extends AsyncDisposable {
  readonly name: ServerName;
  /** Name and version, for tables. */
  readonly title: string;
  readonly protocol: 'resp' | 'memcached';
  readonly port: number;
  /** The process whose CPU time and memory count: for r_db the whole node, all its threads. */
  readonly pid: number;
  /** From the start of the process to the first answer that shows it ready. */
  readonly readyMs: number;
  /** Keys stored. */
  countKeys(): Promise<number>;
}

export const serverNames = ['r_db', 'redis', 'memcached'] as const;
export type ServerName = (typeof serverNames)[number];
