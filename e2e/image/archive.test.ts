import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { after, before, describe, it } from 'mocha';
import { run } from '../cluster/run.ts';
import { digestOf, layerOf, writeArchive } from './archive.ts';

describe('image archives', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'rdb-archive-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const make = async (name: string, content: string) => {
    const root = join(folder, name);
    mkdirSync(join(root, 'app'), { recursive: true });
    writeFileSync(join(root, 'app', 'b'), content);
    writeFileSync(join(root, 'app', 'a'), content);
    utimesSync(join(root, 'app', 'a'), Math.random() * 1e9, Math.random() * 1e9);
    const layer = await layerOf(root, join(folder, `${name}.layer.tar`));
    const archive = join(folder, `${name}.tar`);
    const id = await writeArchive(archive, {
      name: 'rdb.dev/test:1',
      entrypoint: ['/app/a'],
      user: '1:2',
      folder: '/app',
      environment: { A: 'b' },
      layers: [layer],
    });
    return { id, archive, layer };
  };

  it('are the same bytes for the same files, whenever they were written', async () => {
    const [one, two, other] = [await make('1', 'x'), await make('2', 'x'), await make('3', 'y')];
    expect(two.id).to.equal(one.id);
    expect(await digestOf(two.archive)).to.equal(await digestOf(one.archive));
    expect(other.id).not.to.equal(one.id);
  });

  it('say what is in them as docker save does', async () => {
    const { id, archive, layer } = await make('4', 'x');
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    await run(['tar', '-C', unpacked, '-xf', archive]);
    const json = (name: string): unknown => JSON.parse(readFileSync(join(unpacked, name), 'utf8'));
    const manifest = {
      Config: `${id}.json`,
      RepoTags: ['rdb.dev/test:1'],
      Layers: [`${layer.digest}.tar`],
    };
    expect(json('manifest.json')).to.deep.equal([manifest]);
    expect(await digestOf(join(unpacked, `${id}.json`))).to.equal(id);
    expect(await digestOf(join(unpacked, `${layer.digest}.tar`))).to.equal(layer.digest);
    expect(json(`${id}.json`)).to.deep.include({
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest}`] },
      config: { User: '1:2', Entrypoint: ['/app/a'], WorkingDir: '/app', Env: ['A=b'], Labels: {} },
    });
  });
});
