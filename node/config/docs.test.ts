import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { helpMarkdown } from './help.ts';

describe('docs/configuration.md', () => {
  it('shows the table that the schema makes (node node/config/help.ts prints it)', () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page).to.contain(helpMarkdown());
  });
});
