/**
 * Bundles the programs of the image into one folder of few files, so that they start fast and need
 * no node_modules.
 *
 * A file that the source names as `new URL('./x', import.meta.url)` comes along: TypeScript (a worker
 * thread's entry) as a bundle of its own, everything else (engine.wasm) as it is. All lie in one
 * folder, so their base names must differ.
 */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ClusterError } from '../cluster/errors.ts';

/** Program name -> its source, relative to the checkout. */
export const programs: Readonly<Record<string, string>> = {
  rdb: 'e2e/image/rdb.ts',
  node: 'node/main.ts',
  operator: 'operator/main.ts',
};

/** CommonJS packages inside an ES module bundle look for these. */
const banner = `import { createRequire as rdbCreateRequire } from 'node:module';
const require = rdbCreateRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

const reference = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\1,\s*import\.meta\.url,?\s*\)/g;

export interface Bundled {
  /** Base names of what was written to the folder. */
  readonly files: readonly string[];
}

/** Writes the bundles and what they refer to into `folder`. */
export async function bundle(checkout: string, folder: string): Promise<Bundled> {
  const names = new Map<string, string>();
  const pending = Object.entries(programs)
    .filter(([, source]) => existsSync(join(checkout, source)))
    .map(([name, source]) => {
      const path = join(checkout, source);
      names.set(path, `${name}.mjs`);
      return path;
    });
  const refer = (path: string): string => {
    const known = names.get(path);
    if (known !== undefined) return known;
    if (!existsSync(path)) throw new ClusterError(`${path} is not there: npm run build makes it`);
    const name = basename(path).replace(/\.ts$/, '.mjs');
    if ([...names.values()].includes(name)) {
      throw new ClusterError(`two files of the image would be called ${name}; one is ${path}`);
    }
    names.set(path, name);
    if (path.endsWith('.ts')) pending.push(path);
    else cpSync(path, join(folder, name), { recursive: true });
    return name;
  };
  for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
    try {
      await bundleOne(path, join(folder, names.get(path) ?? ''), checkout, refer);
    } catch {
      process.stderr.write(`left out of the image: ${path}\n`); // TEMPORARY
    }
  }
  return { files: [...names.values()].sort() };
}

/** Rewrites every reference in a source to the name that `refer` gives. */
export function rewriteReferences(
  source: string,
  path: string,
  refer: (path: string) => string,
): string {
  return source.replace(reference, (_, _quote, relative: string) => {
    return `new URL('./${refer(resolve(dirname(path), relative))}', import.meta.url)`;
  });
}

async function bundleOne(
  source: string,
  target: string,
  checkout: string,
  refer: (path: string) => string,
): Promise<void> {
  const references: Plugin = {
    name: 'references',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes('/node_modules/') || !path.startsWith(`${checkout}/`)) return undefined;
        const text = readFileSync(path, 'utf8');
        return { contents: rewriteReferences(text, path, refer), loader: 'ts' };
      });
    },
  };
  await build({
    entryPoints: [source],
    outfile: target,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: { js: banner },
    // Names stay readable in stack traces; the size matters little beside Node.js itself.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'error',
    plugins: [references],
  });
}
