import { expect } from 'chai';
import { describe, it } from 'mocha';
import { checkDocs } from './check-docs.ts';

const sound: Record<string, string> = {
  'README.md': 'See [the tour](docs/architecture.md). Run `npm run e2e`.',
  'docs/architecture.md': 'Back to [start](../README.md), [packages](dependencies.md).',
  'docs/dependencies.md': '| `pino` | logs |',
  'package.json': JSON.stringify({ scripts: { e2e: 'x' } }),
  'node/package.json': JSON.stringify({ dependencies: { pino: '1', '@r-db/proto': '1' } }),
};

function check(change: Record<string, string>): string[] {
  const files = { ...sound, ...change };
  return checkDocs({ files: new Set(Object.keys(files)), read: (path) => files[path] ?? '' });
}

describe('check-docs', () => {
  it('finds nothing in a sound tree', () => {
    expect(check({})).to.deep.equal([]);
  });

  it('finds a link that leads nowhere', () => {
    expect(check({ 'docs/architecture.md': '[x](gone.md) [y](dependencies.md)' })).to.deep.equal([
      'docs/architecture.md: the link to gone.md leads nowhere',
    ]);
  });

  it('finds a command that does not exist', () => {
    const faults = check({ 'docs/dependencies.md': '`pino`: `npm run nothing`' });
    expect(faults).to.deep.equal([
      'docs/dependencies.md: there is no script "nothing" in package.json',
    ]);
  });

  it('finds a page that nobody links to', () => {
    expect(check({ 'docs/lost.md': 'text' })).to.deep.equal([
      'docs/lost.md: no page that the README leads to links to it',
    ]);
  });

  it('finds a dependency without a line', () => {
    expect(check({ 'docs/dependencies.md': '' })).to.deep.equal([
      'docs/dependencies.md: pino has no line',
    ]);
  });
});
