/**
 * Writes image archives (the format of `docker save`) with tar alone: no daemon, no registry, no root.
 * The same files give the same bytes and so the same image ID.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '../cluster/run.ts';

export interface Layer {
  readonly archive: string;
  /** SHA-256 of the archive, hexadecimal. */
  readonly digest: string;
}

export interface ImageContents {
  /** Name and tag. */
  readonly name: string;
  readonly entrypoint: readonly string[];
  /** `user:group`, numbers: what runAsNonRoot asks for. */
  readonly user: string;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Lowest first. */
  readonly layers: readonly Layer[];
}

/** Every file is root's and as old as time itself, in the order of its name. */
const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

/** Packs a folder into a layer at `archive`. */
export async function layerOf(root: string, archive: string): Promise<Layer> {
  await run(['tar', ...reproducible, '--format=gnu', '-C', root, '-cf', archive, '.']);
  return { archive, digest: await digestOf(archive) };
}

/** Writes the archive and returns the image's ID, the digest of its configuration. */
export async function writeArchive(archive: string, contents: ImageContents): Promise<string> {
  const configuration = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      User: contents.user,
      Entrypoint: contents.entrypoint,
      WorkingDir: contents.folder,
      Env: Object.entries(contents.environment).map(([name, value]) => `${name}=${value}`),
      Labels: contents.labels ?? {},
    },
    rootfs: { type: 'layers', diff_ids: contents.layers.map(({ digest }) => `sha256:${digest}`) },
  });
  const id = createHash('sha256').update(configuration).digest('hex');
  const layerName = (layer: Layer) => `${layer.digest}.tar`;
  const manifest = [
    {
      Config: `${id}.json`,
      RepoTags: [contents.name],
      Layers: contents.layers.map(layerName),
    },
  ];
  mkdirSync(dirname(archive), { recursive: true });
  // Beside the layers' own file system, so that they are linked, not copied.
  const folder = mkdtempSync(`${archive}.`);
  try {
    writeFileSync(join(folder, `${id}.json`), configuration);
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    for (const layer of contents.layers) {
      linkSync(layer.archive, join(folder, layerName(layer)));
    }
    const whole = `${folder}.tar`;
    // Names without a leading `./`: not every reader takes that off.
    const names = ['manifest.json', `${id}.json`, ...contents.layers.map(layerName)];
    await run(['tar', ...reproducible, '--hard-dereference', '-C', folder, '-cf', whole, ...names]);
    renameSync(whole, archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return id;
}

export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}
