/**
 * Compiles the load generator with the machine's C compiler and keeps the program outside the
 * checkout, under a name that follows from its sources: a changed source is compiled again.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BenchError, MissingToolError } from '../errors.ts';

const headers = ['protocol.h', 'workload.h', 'histogram.h', 'etcd.h', 'route.h', 'cpu.h'] as const;
const compilerFlags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror'] as const;
const run = promisify(execFile);

export interface BuildPlace {
  /** Where programs are kept; made if it is not there. */
  readonly cacheDirectory: string;
  /** The C compiler, `cc`. */
  readonly compiler?: string;
}

/** Path of the load generator, compiled if need be. Throws MissingToolError without a compiler. */
export function buildGenerator(place: BuildPlace): Promise<string> {
  return build(place, 'load');
}

/** The same for what writes through failovers. */
export function buildFailoverWriter(place: BuildPlace): Promise<string> {
  return build(place, 'failover');
}

async function build(place: BuildPlace, name: 'load' | 'failover'): Promise<string> {
  const directory = join(import.meta.dirname);
  const hash = createHash('sha256').update(compilerFlags.join(' '));
  for (const source of [`${name}.c`, ...headers])
    hash.update(await readFile(join(directory, source)));
  const program = join(place.cacheDirectory, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (await isProgram(program)) return program;

  await mkdir(place.cacheDirectory, { recursive: true });
  // Two runs may compile at once: each into its own file, the last rename wins.
  const unfinished = `${program}.${process.pid}`;
  const main = join(directory, `${name}.c`);
  try {
    await run(place.compiler ?? 'cc', [...compilerFlags, '-o', unfinished, main]);
    await rename(unfinished, program);
  } catch (error) {
    await rm(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new MissingToolError('A C compiler (cc)', 'gcc libc6-dev', error);
    }
    throw new BenchError(`the load generator does not compile: ${String(error)}`, { cause: error });
  }
  return program;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
