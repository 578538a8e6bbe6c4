/** The page about the simulation names every rule with its profile, and every checker. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { profileOf, rules } from './broken.ts';

const folder = new URL('./', import.meta.url);
const page = readFileSync(new URL('../../../docs/simulation.md', folder), 'utf8');

describe('page about the simulation', () => {
  it('lists every rule that can be broken, with the profile that finds it', () => {
    const missing = rules.filter((rule) => !page.includes(`| \`${rule}\` | ${profileOf[rule]} |`));
    expect(missing).to.deep.equal([]);
  });

  it('lists every checker', () => {
    const sources = ['checkers.ts', 'rest.ts', 'simulate.ts', 'cluster.ts'].map((name) =>
      readFileSync(new URL(name, folder), 'utf8'),
    );
    const checkers = sources.flatMap((source) =>
      [...source.matchAll(/new Violation\(\s*'([a-z-]+)'/g)].map(([, name]) => name ?? ''),
    );
    expect(new Set(checkers).size).to.be.at.least(8);
    expect(checkers.filter((name) => !page.includes(`| \`${name}\` |`))).to.deep.equal([]);
  });
});
