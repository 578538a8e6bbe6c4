/** Processes that a benchmark starts, watches through /proc and ends. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BenchError, MissingToolError } from './errors.ts';
import { limits } from './limits.ts';

export interface ChildOptions {
  readonly command: string;
  readonly argv: readonly string[];
  /** The Debian package that has the command. */
  readonly debianPackage: string;
  /** Resolves true once the server answers; a rejection means: not yet. */
  readonly isReady: () => Promise<boolean>;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly readyMs: number;
}

const running = new Set<ChildProcess>();

/**
 * Starts a server in a session of its own, as the nodes of a local cluster are: where the kernel
 * groups processes by session (autogroups) each server then gets the same share of busy cores.
 */
export function spawnServer(
  command: string,
  argv: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const child = spawn(command, argv, { ...options, detached: true });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Ends every server at once: a terminal's Ctrl-C does not reach other sessions. */
export function endServers(): void {
  for (const child of running) child.kill('SIGTERM');
}

/** Starts a server and waits until it is ready. Throws MissingToolError, or BenchError with its last output. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const begin = performance.now();
  const child = spawnServer(options.command, options.argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const output = collectOutput(child);
  const failed = new Promise<Error>((resolve) => child.once('error', resolve));
  if (child.pid === undefined) {
    const cause = await failed;
    throw new MissingToolError(options.command, options.debianPackage, cause);
  }
  const stop = (): Promise<void> => stopChild(child);
  try {
    await untilReady(options, child, begin, output);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, readyMs: performance.now() - begin, [Symbol.asyncDispose]: stop };
}

async function untilReady(
  options: ChildOptions,
  child: ChildProcess,
  begin: number,
  output: () => string,
): Promise<void> {
  while (!(await options.isReady().catch(() => false))) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new BenchError(`${options.command} ended at its start:\n${output()}`);
    }
    if (performance.now() - begin > limits.readyTimeoutMs) {
      throw new BenchError(
        `${options.command} is not ready after ${limits.readyTimeoutMs} ms:\n${output()}`,
      );
    }
    await delay(limits.readyPollMs);
  }
}

function collectOutput(child: ChildProcess): () => string {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-limits.childOutputBytesMax);
    });
  }
  return () => output.trim();
}

/** Asks a child of ours to end, then makes it. Resolves when it is gone. */
async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), limits.stopTimeoutMs);
  await gone;
  clearTimeout(timer);
}

/** Bytes of a process in memory, pages shared with others included. */
export async function residentBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = /^Rss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  if (kibibytes === undefined) throw new BenchError(`/proc/${pid}/smaps_rollup has no Rss`);
  return Number(kibibytes) * 1024;
}

/** Clock ticks of /proc/PID/stat: 100 a second on every Linux that Node.js runs on. */
const ticksPerSecond = 100;

export interface CpuSeconds {
  readonly user: number;
  readonly system: number;
}

/** CPU time that all threads of a process have used so far. */
export async function cpuSeconds(pid: number): Promise<CpuSeconds> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may hold spaces: state, ppid, ...; utime and stime are the 12th and 13th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const seconds = (field: number): number => Number(fields[field]) / ticksPerSecond;
  return { user: seconds(11), system: seconds(12) };
}

/** What a command prints. Throws MissingToolError when it is not there. */
export async function outputOf(
  command: string,
  argv: readonly string[],
  debianPackage: string,
): Promise<string> {
  try {
    return (await promisify(execFile)(command, argv)).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new MissingToolError(command, debianPackage, error);
    }
    throw new BenchError(`${command} failed: ${String(error)}`, { cause: error });
  }
}
