/**
 * Compiles `assembly/` to `build/engine.wasm`: `npm run build -w @r-db/node`. Does nothing when the
 * result is newer than all it is made of.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { type BuildVariant, breakableSource, constantsSource } from './constants.ts';
import { assertModuleShape } from './module-shape.ts';

const here = dirname(fileURLToPath(import.meta.url));
const assembly = join(here, 'assembly');
const output = join(here, 'build', 'engine.wasm');
const generated = 'generated/constants.ts';

/** Newest change of any file that the module is made of, milliseconds. */
function newestSource(): number {
  const files = readdirSync(assembly, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
    .map((file) => join(assembly, file));
  const tables = [
    'constants',
    'limits',
    'commands',
    'messages',
    'operation-codes',
    'types',
    'build',
  ];
  for (const table of tables) files.push(join(here, `${table}.ts`));
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}

export interface CompileOptions {
  readonly variant?: BuildVariant;
  /** Keeps function names, for profiles. */
  readonly names?: boolean;
  /** Compiles quickly rather than well. */
  readonly fast?: boolean;
}

/** Compiles a variant in memory; throws what the compiler says. */
export async function compileEngine(options: CompileOptions = {}): Promise<Uint8Array> {
  const constants = constantsSource(options.variant);
  let binary: Uint8Array | undefined;
  const result = await asc.main(
    [
      'index.ts',
      '--baseDir',
      assembly,
      '--outFile',
      'engine.wasm',
      ...(options.fast === true ? ['-O0'] : ['-O3']),
      '--noAssert',
      '--runtime',
      'stub',
      '--importMemory',
      '--sharedMemory',
      '--initialMemory',
      '1',
      '--maximumMemory',
      '65535',
      '--enable',
      'simd',
      '--enable',
      'threads',
      // Addresses are 32 bits here, and said to be.
      '--disableWarning',
      '201',
      ...(options.names === true ? ['--debug'] : []),
    ],
    {
      readFile(name, base) {
        if (name === generated) return constants;
        const path = join(base, name);
        if (!existsSync(path)) return null;
        const text = readFileSync(path, 'utf8');
        return options.variant?.breakable === true ? breakableSource(text) : text;
      },
      writeFile(name, contents) {
        if (name.endsWith('.wasm') && typeof contents !== 'string') binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (result.error !== null || binary === undefined) {
    throw new Error(`assembly does not compile:\n${result.stderr.toString()}`);
  }
  assertModuleShape(binary);
  return binary;
}

/**
 * A variant for tests, kept in `build/` until its sources change: compiling takes seconds. Less
 * optimised than the released module, which is what the other tests use.
 */
export async function variantModule(
  name: string,
  variant: BuildVariant,
): Promise<WebAssembly.Module> {
  const file = join(here, 'build', `variant-${name}.wasm`);
  if (!existsSync(file) || statSync(file).mtimeMs <= newestSource()) {
    mkdirSync(dirname(file), { recursive: true });
    // Several test files may want it at once, in processes of their own: the last rename wins.
    const unfinished = `${file}.${process.pid}`;
    writeFileSync(unfinished, await compileEngine({ variant, fast: true }));
    renameSync(unfinished, file);
  }
  return new WebAssembly.Module(readFileSync(file));
}

async function main(): Promise<void> {
  const names = process.argv.includes('--names');
  if (!names && existsSync(output) && statSync(output).mtimeMs > newestSource()) return;
  mkdirSync(dirname(output), { recursive: true });
  // For editors; the compiler gets the same text from memory.
  mkdirSync(join(assembly, 'generated'), { recursive: true });
  writeFileSync(join(assembly, generated), constantsSource());
  writeFileSync(output, await compileEngine({ names }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
