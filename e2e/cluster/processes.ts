/**
 * The servers of the cluster outlive the command that starts them. Each is remembered by its process
 * ID *and* its start time, so that an ID that the kernel gave to somebody else is never signalled.
 */
import { spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inState, inside, type Layout } from './layout.ts';
import { processEndMs } from './limits.ts';
import { until } from './run.ts';

export interface KnownProcess {
  readonly pid: number;
  /** Clock ticks after the machine's start: field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

/** Starts a server in a namespace; it lives on after us. Its output goes to `log/<name>.log`. */
export function startServer(
  layout: Layout,
  name: string,
  namespace: string,
  command: readonly string[],
): void {
  const [file, ...args] = [...inside(namespace), ...command];
  if (file === undefined) throw new RangeError('a command has at least one word');
  const log = openSync(inState.log(layout, name), 'a');
  const child = spawn(file, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  // A missing tool shows as a server that is not there; its name is in the log's file name.
  child.on('error', (error) => writeFileSync(inState.log(layout, name), `${error.message}\n`));
  if (child.pid === undefined) return;
  child.unref();
  const known: KnownProcess = { pid: child.pid, startTime: startTimeOf(child.pid) ?? '' };
  writeFileSync(inState.process(layout, name), JSON.stringify(known));
}

/** The server's process if it still runs, else undefined. */
export function serverProcess(layout: Layout, name: string): KnownProcess | undefined {
  let known: KnownProcess;
  try {
    known = JSON.parse(readFileSync(inState.process(layout, name), 'utf8')) as KnownProcess;
  } catch {
    return undefined;
  }
  return isAlive(known) ? known : undefined;
}

export function serverNames(layout: Layout): readonly string[] {
  try {
    return readdirSync(join(layout.state, 'pids')).map((file) => file.replace(/\.json$/, ''));
  } catch {
    return [];
  }
}

/** Signals a server. Returns false if it does not run. */
export function signalServer(layout: Layout, name: string, signal: NodeJS.Signals): boolean {
  const known = serverProcess(layout, name);
  if (known === undefined) return false;
  process.kill(known.pid, signal);
  return true;
}

/**
 * Ends servers at once: what they hold in memory or on disk goes with the cluster, and the API server
 * would take its time to see its clients off. Those that run no more are only forgotten.
 */
export async function endServers(layout: Layout, names: readonly string[]): Promise<void> {
  await endProcesses(names.flatMap((name) => serverProcess(layout, name) ?? []));
  for (const name of names) rmSync(inState.process(layout, name), { force: true });
}

/** Kills processes and waits until they are gone. */
export async function endProcesses(processes: readonly KnownProcess[]): Promise<void> {
  for (const known of processes) {
    try {
      if (isAlive(known)) process.kill(known.pid, 'SIGKILL');
    } catch {
      // ended meanwhile
    }
  }
  await until('killed processes end', processEndMs, () => !processes.some(isAlive));
}

export function isAlive(known: KnownProcess): boolean {
  return known.startTime !== '' && startTimeOf(known.pid) === known.startTime;
}

/** Undefined if there is no such process, or only its zombie. */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold blanks and brackets: fields are counted after its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Processes whose command line holds `text`. */
export function processesWith(text: string): readonly KnownProcess[] {
  const found: KnownProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)) continue;
    } catch {
      continue; // ended meanwhile
    }
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) found.push({ pid, startTime });
  }
  return found;
}
