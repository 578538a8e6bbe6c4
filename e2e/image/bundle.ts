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
import { type BuildFailure, build, type Plugin } from 'esbuild';
import { ClusterError } from '../cluster/errors.ts';

/** Program name -> its source, relative to the checkout. */
export const programs: Readonly<Record<string, string>> = {
  rdb: 'e2e/image/rdb.ts',
  node: 'node/main.ts',
  operator: 'operator/main.ts',
};

/** Files without which the programs would fail only when they run. */
const needed = ['engine.wasm', 'thread.mjs'];

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
  const pending = Object.entries(programs).map(([name, source]) => {
    const path = join(checkout, source);
    names.set(path, `${name}.mjs`);
    return path;
  });
  const refer = (path: string): string | undefined => {
    const known = names.get(path);
    if (known !== undefined) return known;
    // A source may look in several places, of which one is there.
    if (!existsSync(path)) return undefined;
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
    await bundleOne(path, join(folder, names.get(path) ?? ''), checkout, refer);
  }
  const files = [...names.values()].sort();
  const missing = needed.filter((name) => !files.includes(name));
  if (missing.length > 0) {
    throw new ClusterError(`the image would lack ${missing.join(', ')}: run "npm run build" first`);
  }
  return { files };
}

/** Rewrites every reference in a source to the name that `refer` gives; undefined leaves it alone. */
export function rewriteReferences(
  source: string,
  path: string,
  refer: (path: string) => string | undefined,
): string {
  return source.replace(reference, (whole, _quote, relative: string) => {
    const name = refer(resolve(dirname(path), relative));
    return name === undefined ? whole : `new URL('./${name}', import.meta.url)`;
  });
}

async function bundleOne(
  source: string,
  target: string,
  checkout: string,
  refer: (path: string) => string | undefined,
): Promise<void> {
  const references: Plugin = {
    name: 'references',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes('/node_modules/') || !path.startsWith(`${checkout}/`)) return undefined;
        const text = readFileSync(path, 'utf8');
        try {
          return { contents: rewriteReferences(text, path, refer), loader: 'ts' };
        } catch (error) {
          return { errors: [{ text: (error as Error).message }] };
        }
      });
    },
  };
  const built = build({
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
    logLevel: 'silent',
    plugins: [references],
  });
  await built.catch((error: BuildFailure) => {
    const said = error.errors.map(({ text, location }) => `${location?.file ?? source}: ${text}`);
    throw new ClusterError(`the image can't be bundled: ${said.join('; ')}`);
  });
}
