import { spawn } from 'node:child_process';
import { CommandFailed } from './errors.ts';
import { outputBytesMax, pollMs } from './limits.ts';

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly directory?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end and tells how it ended. Rejects only if it can't be started. */
export function attempt(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [file, ...args] = command;
  if (file === undefined) throw new RangeError('a command has at least one word');
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.directory,
      env: options.environment,
      signal: options.signal,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code: code ?? (signal === null ? 1 : 128), stdout: stdout(), stderr: stderr() });
    });
    // A tool that ends before it has read everything is judged by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
  });
}

/** Runs a tool and returns what it wrote. Throws CommandFailed unless it ends with 0. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const ran = await attempt(command, options);
  if (ran.code !== 0) throw new CommandFailed(command, ran.code, ran.stderr || ran.stdout);
  return ran.stdout;
}

/** Runs a tool on our own terminal and returns its exit code. */
export function show(command: readonly string[], options: RunOptions = {}): Promise<number> {
  const [file, ...args] = command;
  if (file === undefined) throw new RangeError('a command has at least one word');
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.directory,
      env: options.environment,
      stdio: 'inherit',
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

/** Looks at `condition` until it holds (`true`; a text says what is missing); throws a clear error at the deadline. */
export async function until(
  what: string,
  deadlineMs: number,
  condition: () => Promise<boolean | string> | boolean | string,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const holds = await condition();
    if (holds === true) return;
    if (performance.now() > end) {
      const missing = typeof holds === 'string' ? ` (${holds})` : '';
      throw new Error(`${what}: not within ${deadlineMs / 1000} s${missing}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function gather(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= outputBytesMax) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
