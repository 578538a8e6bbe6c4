/** The product's image: one for operator and node. Built again only when what goes in has changed. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashOf } from '../cluster/build.ts';
import type { Image } from '../cluster/images.ts';
import type { Layout } from '../cluster/layout.ts';
import { layerOf, writeArchive } from './archive.ts';
import { baseLayer } from './base.ts';
import { bundle } from './bundle.ts';

/** What the Dockerfile sets too; a test compares them. */
export const productConfiguration = {
  entrypoint: ['node', '/app/rdb.mjs'],
  user: '65532:65532',
  folder: '/app',
  environment: {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    NODE_ENV: 'production',
  },
} as const;

/** `rdb.dev/r-db:<version>`. */
export function productName(checkout: string): string {
  const text = readFileSync(join(checkout, 'package.json'), 'utf8');
  return `rdb.dev/r-db:${(JSON.parse(text) as { version: string }).version}`;
}

export interface ProductImage extends Image {
  /** False if it was there already. */
  readonly built: boolean;
}

/** Bundles the programs and writes the archive into the cache, if there is not the same already. */
export async function productImage(layout: Layout): Promise<ProductImage> {
  const base = await baseLayer(layout);
  const name = productName(layout.checkout);
  const folder = join(layout.cache, 'images');
  mkdirSync(folder, { recursive: true });
  const root = mkdtempSync(join(tmpdir(), 'rdb-image-'));
  try {
    const app = join(root, 'app');
    mkdirSync(app);
    await bundle(layout.checkout, app);
    const id = hashOf(base.key, name, JSON.stringify(productConfiguration), ...contentsOf(app));
    const archive = join(folder, `r-db-${id}.tar`);
    const image = { name, archive, id };
    if (existsSync(archive)) return { ...image, built: false };
    const layer = await layerOf(root, join(folder, `r-db-${id}.layer.tar`));
    await writeArchive(archive, { ...productConfiguration, name, layers: [base.layer, layer] });
    removeOthers(folder, [`r-db-${id}.tar`]);
    return { ...image, built: true };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Copies the archive out of the cache. */
export async function exportProductImage(layout: Layout, file: string): Promise<ProductImage> {
  const image = await productImage(layout);
  copyFileSync(image.archive, file);
  return { ...image, archive: file };
}

/** Names and bytes of all files below a folder, in the order of their names. */
function contentsOf(folder: string): readonly (string | Uint8Array)[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .filter((name) => statSync(join(folder, name)).isFile())
    .flatMap((name) => [name, readFileSync(join(folder, name))]);
}

/** An archive is 130 MB, and only the newest is of use. */
function removeOthers(folder: string, keep: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    if (!keep.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
