/**
 * Runs every script in `testdata/` and compares the effects. After a change that is meant:
 * `REGENERATE_SCRIPTS=1 npx mocha node/replication/core/scripts.test.ts`, then read the difference.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { runScript } from './script.ts';

const folder = new URL('./testdata/', import.meta.url);
const regenerate = process.env['REGENERATE_SCRIPTS'] === '1';

describe('replication core, golden scripts', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

  it('there are some', () => {
    expect(files.length).to.be.at.least(10);
  });

  for (const name of files) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const file = new URL(name, folder);
      const text = readFileSync(file, 'utf8');
      const happened = runScript(text);
      if (regenerate) writeFileSync(file, happened);
      else expect(happened).to.equal(text);
    });
  }
});
