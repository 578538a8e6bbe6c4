/** Images for the cluster: made here, imported into every host's containerd; there is no registry. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layerOf, writeArchive } from '../image/archive.ts';
import { hosts, inState, type Layout, pauseImage } from './layout.ts';
import { run } from './run.ts';

/** An archive that `ctr images import` takes, and the name of the image in it. */
export interface Image {
  readonly name: string;
  readonly archive: string;
  /** Of what is in it: the same is not loaded twice. */
  readonly id: string;
}

/** The image that holds a pod's namespaces open: a static program and nothing else. */
export async function makePauseImage(pause: string, folder: string): Promise<Image> {
  const archive = join(folder, 'pause.tar');
  const root = mkdtempSync(join(tmpdir(), 'rdb-pause-'));
  try {
    copyFileSync(pause, join(root, 'pause'));
    const layer = await layerOf(root, join(folder, 'pause-layer.tar'));
    const id = await writeArchive(archive, {
      name: pauseImage,
      entrypoint: ['/pause'],
      user: '65535:65535',
      folder: '/',
      environment: {},
      layers: [layer],
    });
    return { name: pauseImage, archive, id };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Imports what the hosts don't have yet. Returns the names of those images. */
export async function loadImages(
  layout: Layout,
  images: readonly Image[],
): Promise<readonly string[]> {
  const loaded = loadedImages(layout);
  const fresh = images.filter((image) => loaded[image.name] !== image.id);
  await Promise.all(
    hosts.map(async (host) => {
      const client = ['ctr', '--address', inState.containerd(layout, host), '-n', 'k8s.io'];
      for (const image of fresh) await run([...client, 'images', 'import', image.archive]);
    }),
  );
  const now = { ...loaded, ...Object.fromEntries(fresh.map(({ name, id }) => [name, id])) };
  writeFileSync(inState.loaded(layout), JSON.stringify(now, null, 2));
  return fresh.map((image) => image.name);
}

/** Image name -> id, as loaded into all hosts. */
export function loadedImages(layout: Layout): Readonly<Record<string, string>> {
  const file = inState.loaded(layout);
  if (!existsSync(file)) return {};
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
}
