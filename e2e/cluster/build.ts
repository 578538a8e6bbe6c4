/**
 * Builds what the cluster and its tests run, once: Kubernetes with etcd and CoreDNS, the pause program, helm,
 * the judge of histories. All of it comes from the Go module proxy. The results stay in the cache, named by
 * a hash of what went in.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ClusterError } from './errors.ts';
import { kubernetesVersion, type Layout } from './layout.ts';
import { show } from './run.ts';

export interface Binaries {
  readonly kube: string;
  readonly pause: string;
  readonly helm: string;
  /** The judge of histories: e2e/linearizability. */
  readonly judge: string;
}

const helmVersion = 'v4.3.1';
const judgeFiles = ['go.mod', 'go.sum', 'main.go', 'models.go'] as const;

/** Builds what is not in the cache. The first time takes minutes and tells so on stderr. */
export async function buildBinaries(
  layout: Layout,
  environment: NodeJS.ProcessEnv,
): Promise<Binaries> {
  const kubernetes = await buildKubernetes(layout, environment);
  const helm = join(layout.cache, `helm-${helmVersion}`);
  await once(helm, 'helm (about 2 minutes, once)', async (folder) => [
    await goCommand(['install', `helm.sh/helm/v4/cmd/helm@${helmVersion}`], folder, {
      ...environment,
      GOBIN: folder,
    }),
  ]);
  const judge = await buildJudge(layout, environment);
  return { ...kubernetes, helm: join(helm, 'helm'), judge };
}

async function buildJudge(layout: Layout, environment: NodeJS.ProcessEnv): Promise<string> {
  const source = join(layout.checkout, 'e2e', 'linearizability');
  const key = hashOf(...judgeFiles.map((name) => readFileSync(join(source, name))));
  const judge = join(layout.cache, `linearizability-${key}`);
  const go = { ...environment, GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
  await once(judge, 'the judge of histories (seconds, once)', (folder) =>
    build(source, ['-o', join(folder, 'judge'), '.'], go),
  );
  return join(judge, 'judge');
}

/** Kubernetes alone, which has etcd in it. */
export async function buildKubernetes(
  layout: Pick<Layout, 'checkout' | 'cache'>,
  environment: NodeJS.ProcessEnv,
): Promise<Pick<Binaries, 'kube' | 'pause'>> {
  const source = join(layout.checkout, 'e2e', 'cluster', 'kubernetes');
  const inputs = ['go.mod', 'go.sum', 'main.go', 'pause/main.go'].map((name) =>
    readFileSync(join(source, name)),
  );
  const key = hashOf(kubernetesVersion, ...inputs);
  const kubernetes = join(layout.cache, `kubernetes-${kubernetesVersion}-${key}`);
  const go = { ...environment, GOFLAGS: '-mod=readonly', CGO_ENABLED: '1' };
  await once(kubernetes, 'Kubernetes (about 4 minutes, once)', async (folder) => [
    await build(source, ['-ldflags', versionFlags(), '-o', join(folder, 'kube'), '.'], go),
    await build(source, ['-ldflags', '-s -w', '-o', join(folder, 'pause'), './pause'], {
      ...go,
      CGO_ENABLED: '0', // static: it is alone in its image
    }),
  ]);
  return { kube: join(kubernetes, 'kube'), pause: join(kubernetes, 'pause') };
}

/** First 12 hexadecimal digits of SHA-256 over the parts, in order. */
export function hashOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 12);
}

/** Fills `folder` unless it is there already; a broken attempt leaves nothing behind. */
export async function once(
  folder: string,
  what: string,
  fill: (folder: string) => Promise<unknown>,
): Promise<void> {
  if (existsSync(folder)) return;
  process.stderr.write(`building ${what}\n`);
  mkdirSync(dirname(folder), { recursive: true });
  const attempt = mkdtempSync(`${folder}.`);
  try {
    await fill(attempt);
    if (existsSync(folder)) return; // somebody else was faster
    renameSync(attempt, folder);
  } finally {
    rmSync(attempt, { recursive: true, force: true });
  }
}

function build(source: string, args: readonly string[], environment: NodeJS.ProcessEnv) {
  return goCommand(['build', '-trimpath', ...args], source, environment);
}

async function goCommand(
  args: readonly string[],
  directory: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const code = await show(['nice', 'go', ...args], { directory, environment });
  if (code !== 0) throw new ClusterError(`go ${args[0]} failed (see above).`);
}

/** A plain `go build` calls itself v0.0.0, which clients that look at versions refuse. */
function versionFlags(): string {
  const [major, minor] = kubernetesVersion.split('.');
  const base = 'k8s.io/component-base/version';
  return [
    '-s -w',
    `-X ${base}.gitVersion=v${kubernetesVersion}`,
    `-X ${base}.gitMajor=${major}`,
    `-X ${base}.gitMinor=${minor}`,
    `-X k8s.io/client-go/pkg/version.gitVersion=v${kubernetesVersion}`,
  ].join(' ');
}
