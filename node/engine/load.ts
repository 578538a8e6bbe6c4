/** Finds and reads `engine.wasm`: the one part of the engine that touches the file system. */
import { existsSync, readFileSync } from 'node:fs';
import { EngineError } from './errors.ts';

/**
 * Where the module may lie: where `npm run build` puts it, or beside the bundle of the image (the
 * bundler copies `engine.wasm` next to its output, and `import.meta.url` is then the bundle's).
 */
const places = [
  new URL('./build/engine.wasm', import.meta.url),
  new URL('./engine.wasm', import.meta.url),
  new URL('../engine.wasm', import.meta.url),
];

/** Compiles the module; `path` overrides where it is looked for. */
export function loadEngineModule(path?: string | URL): WebAssembly.Module {
  const place = path ?? places.find((candidate) => existsSync(candidate));
  if (place === undefined || !existsSync(place)) {
    throw new EngineError(
      'MODULE_MISSING',
      `engine.wasm is missing (looked at ${(path === undefined ? places : [path]).join(', ')}): run "npm run build -w @r-db/node"`,
    );
  }
  return new WebAssembly.Module(readFileSync(place));
}
