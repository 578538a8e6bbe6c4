#!/usr/bin/env node
/** The command line tool `rdb`; installed as `kubectl-rdb` it is a plugin of kubectl. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { run } from './run.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
// A reader that went away (`rdb scan | head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run({
  program: basename(process.argv[1] ?? '').startsWith('kubectl-') ? 'kubectl rdb' : 'rdb',
  args: process.argv.slice(2),
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  readInput: () => buffer(process.stdin),
  signal: interrupt.signal,
  runProgram,
});

/** The program shares the terminal, so Ctrl-C reaches it too; it decides when all is over. */
async function runProgram(specifier: string, args: readonly string[]): Promise<number> {
  let path: string;
  try {
    path = fileURLToPath(import.meta.resolve(specifier));
  } catch (error) {
    const name = specifier.split('/').slice(0, 2).join('/');
    throw new Error(`the package ${name}, which has the local cluster, is not installed`, {
      cause: error,
    });
  }
  const child = spawn(process.execPath, [path, ...args], { stdio: 'inherit' });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
