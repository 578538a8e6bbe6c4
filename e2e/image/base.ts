/** The lower layer: Node.js and the libraries that it needs, and nothing else. No shell, no tools. */
import { copyFileSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hashOf, once } from '../cluster/build.ts';
import type { Layout } from '../cluster/layout.ts';
import { run } from '../cluster/run.ts';
import { digestOf, type Layer, layerOf } from './archive.ts';

/** Where the public Node.js image has it too. */
export const nodePath = '/usr/local/bin/node';

/** The layer's root folder and archive, in the cache. */
export interface Base {
  readonly root: string;
  readonly layer: Layer;
  readonly key: string;
}

/** Makes the layer unless the cache has it. */
export async function baseLayer(layout: Layout): Promise<Base> {
  const node = realpathSync(process.execPath);
  const libraries = await librariesOf(node);
  const digests = await Promise.all([node, ...libraries].map(digestOf));
  const key = hashOf(...libraries, ...digests, accounts);
  const folder = join(layout.cache, `image-base-${key}`);
  await once(folder, 'the base of the image', async (attempt) => {
    const root = join(attempt, 'root');
    const copy = (from: string, to: string) => {
      mkdirSync(dirname(join(root, to)), { recursive: true });
      copyFileSync(from, join(root, to));
    };
    copy(node, nodePath);
    for (const library of libraries) copy(library, library);
    for (const name of ['etc', 'tmp', 'app']) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, 'etc', 'passwd'), accounts);
    await layerOf(root, join(attempt, 'layer.tar'));
  });
  const archive = join(folder, 'layer.tar');
  return { root: join(folder, 'root'), layer: { archive, digest: await digestOf(archive) }, key };
}

/** Any other user ID does as well; this one has a name. */
const accounts = 'root:x:0:0::/:/sbin/nologin\nrdb:x:65532:65532::/:/sbin/nologin\n';

/** What `ldd` lists, and the resolver's modules where the C library still loads them by name. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const listed = [...(await run(['ldd', program])).matchAll(/(?:=> )?(\/\S+) \(0x/g)].flatMap(
    ([, path]) => path ?? [],
  );
  const folders = new Set(listed.map((path) => dirname(path)));
  const resolver = [...folders].flatMap((folder) =>
    ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'].map((name) => join(folder, name)),
  );
  return [...new Set([...listed, ...resolver.filter((path) => existsSync(path))])].sort();
}
