/** The image: Dockerfile and `npm run image` make the same one; its entry says what it takes. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { attempt, run } from '../cluster/run.ts';
import { writeArchive } from '../image/archive.ts';
import { baseLayer } from '../image/base.ts';
import { bundle } from '../image/bundle.ts';
import { productConfiguration } from '../image/product.ts';
import { ownCluster, testEnvironment } from '../support/environment.ts';
import { apply, deleteNamespace, kubectl, makeNamespace, wait } from '../support/kubectl.ts';
import { scriptPod } from '../support/pods.ts';

const baseName = 'rdb.dev/base:1';
const namespace = 'e2e-image';

interface Inspected {
  readonly OCIv1: {
    readonly config: {
      readonly User: string;
      readonly Env: readonly string[];
      readonly Entrypoint: readonly string[];
      readonly WorkingDir: string;
    };
  };
}

describe('the image', () => {
  let folder: string;
  let context: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rdb-image-test-'));
    context = join(folder, 'context');
    mkdirSync(join(context, 'build', 'image'), { recursive: true });
    await bundle(ownCluster().checkout, join(context, 'build', 'image'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('comes out of the Dockerfile as out of npm run image', async () => {
    const layout = ownCluster();
    const { layer } = await baseLayer(layout);
    const archive = join(layout.cache, 'image-base.tar'); // beside the layer, to be linked
    await writeArchive(archive, {
      name: baseName,
      layers: [layer],
      ...{ entrypoint: ['node'], user: '', folder: '/', environment: {} },
    });
    // A store of its own, without a registry to look into.
    const store = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
    const buildah = ['buildah', ...store, '--storage-driver', 'vfs'];
    try {
      await run([...buildah, 'pull', '--quiet', `docker-archive:${archive}`]);
      const dockerfile = ['--file', join(layout.checkout, 'Dockerfile'), '--tag', 'test'];
      const build = ['--pull-never', '--quiet', '--build-arg', `BASE=${baseName}`];
      await run([...buildah, 'bud', ...build, ...dockerfile, context]);
      const text = await run([...buildah, 'inspect', '--type', 'image', 'test']);
      const { config } = (JSON.parse(text) as Inspected).OCIv1;
      const { entrypoint, user, environment, folder: app } = productConfiguration;
      expect(config.Entrypoint).to.deep.equal(entrypoint);
      expect(config.User).to.equal(user);
      expect(config.WorkingDir).to.equal(app);
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      expect([...config.Env].sort()).to.deep.equal(variables.sort());

      const container = (await run([...buildah, 'from', '--pull-never', 'test'])).trim();
      const root = (await run([...buildah, 'mount', container])).trim();
      const bundles = join(context, 'build', 'image');
      expect(readdirSync(join(root, 'app')).sort()).to.deep.equal(readdirSync(bundles).sort());
      const entry = entrypoint[1];
      expect(readFileSync(join(root, entry))).to.deep.equal(readFileSync(join(bundles, 'rdb.mjs')));
      expect(existsSync(join(root, 'usr', 'local', 'bin', 'node'))).to.equal(true);
      await run([...buildah, 'umount', container]);
    } finally {
      rmSync(archive, { force: true });
    }
  });

  it('says what it takes', async () => {
    const entry = join(context, 'build', 'image', 'rdb.mjs');
    const nothing = await attempt([process.execPath, entry]);
    expect(nothing.code).to.equal(2);
    expect(nothing.stderr).to.equal('rdb.mjs: say node or operator first, not nothing\n');
    const other = await attempt([process.execPath, entry, 'nodes']);
    expect(other.stderr).to.equal('rdb.mjs: say node or operator first, not nodes\n');
    for (const program of ['node', 'operator']) {
      const help = await attempt([process.execPath, entry, program, '--help']);
      expect(help.code, help.stderr).to.equal(0);
      expect(help.stdout).to.match(/RDB_/);
    }
  });

  it('names a setting with a typo, as any user, on a read-only root', async () => {
    await makeNamespace(namespace);
    try {
      const { image } = testEnvironment();
      const pod = scriptPod({ name: 'typo', namespace, image, script: '' }) as {
        spec: { containers: Record<string, unknown>[] };
      };
      const [container] = pod.spec.containers;
      const typo = [{ name: 'RDB_SHARD', value: '4' }];
      const spec = {
        ...pod.spec,
        restartPolicy: 'Never',
        containers: [{ ...container, command: undefined, args: ['node'], env: typo }],
      };
      await apply({ ...pod, spec });
      await wait('jsonpath={.status.phase}=Failed', 30, '-n', namespace, 'pod/typo');
      const said = await kubectl('logs', '-n', namespace, 'typo');
      expect(said).to.match(/RDB_SHARD\b.*RDB_SHARDS/);
    } finally {
      await deleteNamespace(namespace);
    }
  });
});
