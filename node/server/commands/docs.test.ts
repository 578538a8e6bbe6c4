import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { commands } from '../../engine/commands.ts';

const page = readFileSync(new URL('../../../docs/redis.md', import.meta.url), 'utf8');

describe('docs/redis.md', () => {
  it('lists every command of the table, and no other', () => {
    const listed = [...page.matchAll(/^\| `([A-Z ]+)` \|/gm)].map((match) => match[1] ?? '');
    expect(listed.sort()).to.deep.equal(commands.map((command) => command.name).sort());
  });

  it('says what the table says of each', () => {
    const wrong = commands.filter(
      (command) => !page.includes(`| \`${command.name}\` | ${command.summary} |`),
    );
    expect(wrong.map((command) => command.name)).to.deep.equal([]);
  });
});
