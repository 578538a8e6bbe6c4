import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { productConfiguration } from './product.ts';

const checkout = resolve(import.meta.dirname, '..', '..');
const read = (name: string) => readFileSync(join(checkout, name), 'utf8');

/** Instruction -> what follows it, continued lines joined. */
function instructions(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name !== undefined && rest !== undefined)
      found.set(name, [...(found.get(name) ?? []), rest]);
  }
  return found;
}

describe('Dockerfile', () => {
  const file = instructions(read('Dockerfile'));

  it('configures the image as npm run image does', () => {
    const { entrypoint, user, folder, environment } = productConfiguration;
    expect(JSON.parse(file.get('ENTRYPOINT')?.[0] ?? '')).to.deep.equal(entrypoint);
    expect(file.get('USER')).to.deep.equal([user]);
    expect(file.get('WORKDIR')).to.deep.equal([folder]);
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    expect(file.get('ENV')).to.deep.equal([variables.join(' ')]);
  });

  it('copies the bundles to where the entry is, and Docker is given nothing else', () => {
    expect(file.get('COPY')).to.deep.equal(['build/image/ /app/']);
    expect(productConfiguration.entrypoint[1]).to.equal('/app/rdb.mjs');
    expect(read('.dockerignore')).to.equal('*\n!build/image\n');
  });

  it('builds on the Node.js that the rest of the repository runs on', () => {
    const { dependencies } = JSON.parse(read('package.json')) as {
      dependencies: { node: string };
    };
    expect(file.get('ARG')).to.deep.equal([`BASE=node:${dependencies.node}-bookworm-slim`]);
    expect(file.get('FROM')?.join()).to.match(/^\$\{BASE\}$/);
  });
});
