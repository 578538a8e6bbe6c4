/** Brings the cluster up, or finds that it is. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { productImage } from '../image/product.ts';
import { type Binaries, buildBinaries } from './build.ts';
import { controlPlaneReady, startControlPlane } from './control-plane.ts';
import { down } from './down.ts';
import { startContainerd, startKubelet } from './hosts.ts';
import { loadImages, makePauseImage } from './images.ts';
import { makeKeys } from './keys.ts';
import { hosts, inState, type Layout } from './layout.ts';
import { makeNetwork } from './network.ts';
import { serverNames, serverProcess } from './processes.ts';
import { requireMachine } from './requirements.ts';

export interface UpOutcome {
  readonly binaries: Binaries;
  /** False if it was up already. */
  readonly started: boolean;
  /** Names of images that were loaded now. */
  readonly loaded: readonly string[];
}

/** Up, whole, Ready, with today's product image. A broken one is taken down first. */
export async function up(layout: Layout, environment: NodeJS.ProcessEnv): Promise<UpOutcome> {
  await requireMachine(environment);
  const binaries = await buildBinaries(layout, environment);
  const product = await productImage(layout);
  if (isUp(layout)) {
    return { binaries, started: false, loaded: await loadImages(layout, [product]) };
  }
  await down(layout);
  for (const name of ['log', 'pids', 'pki']) {
    mkdirSync(join(layout.state, name), { recursive: true, mode: 0o700 });
  }
  await makeNetwork();
  await makeKeys(layout);
  const [, loaded] = await Promise.all([
    startControlPlane(layout, binaries.kube),
    startHosts(layout, binaries, product),
  ]);
  for (const host of hosts) startKubelet(layout, host, binaries.kube);
  await controlPlaneReady(layout, binaries.kube);
  writeFileSync(inState.complete(layout), '');
  return { binaries, started: true, loaded };
}

/** It came up once and every one of its servers still runs. */
export function isUp(layout: Layout): boolean {
  return (
    existsSync(inState.complete(layout)) &&
    serverNames(layout).every((name) => serverProcess(layout, name) !== undefined)
  );
}

async function startHosts(
  layout: Layout,
  binaries: Binaries,
  product: Awaited<ReturnType<typeof productImage>>,
): Promise<readonly string[]> {
  const [pause] = await Promise.all([
    makePauseImage(binaries.pause, layout.state),
    ...hosts.map((host) => startContainerd(layout, host)),
  ]);
  return await loadImages(layout, [pause, product]);
}
