/** The shape of the code, as a test: what a reviewer would otherwise have to say again and again. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { describe, it } from 'mocha';

const linesMax = 600;
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.(ts|go|sh)$/.test(file) && existsSync(file))
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }));

/** Who may import whom: packages point one way. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  kubernetes: [],
  leases: ['kubernetes', 'proto'],
  node: ['kubernetes', 'leases', 'proto'],
  client: ['proto'],
  operator: ['kubernetes', 'leases', 'proto'],
};

function found(pattern: RegExp, of: (file: string) => boolean): string[] {
  return files.filter(({ file, text }) => of(file) && pattern.test(text)).map(({ file }) => file);
}

describe('the shape of the code', () => {
  it(`has no file over ${linesMax} lines`, () => {
    const long = files.filter(({ text }) => text.split('\n').length > linesMax);
    expect(long.map(({ file }) => file)).to.deep.equal([]);
  });

  it('lets packages depend one way only', () => {
    const wrong = files.flatMap(({ file, text }) => {
      const home = file.split('/')[0] ?? '';
      const may = allowed[home];
      if (may === undefined || file.endsWith('.test.ts')) return [];
      return [...text.matchAll(/from '@r-db\/([a-z]+)/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => target !== home && !may.includes(target))
        .map((target) => `${file} imports ${target}`);
    });
    expect(wrong).to.deep.equal([]);
  });

  it('keeps the engine and the replication core free of Node.js', () => {
    const pure = (file: string): boolean =>
      /^node\/(engine\/assembly|replication\/core)\//.test(file) && !file.endsWith('.test.ts');
    expect(found(/from 'node:|process\.env|Date\.now\(|Math\.random\(/, pure)).to.deep.equal([]);
  });

  it('reads the environment in entry points, configuration and tools only', () => {
    const product = (file: string): boolean =>
      /^(proto|kubernetes|leases|node|client|operator)\//.test(file) &&
      !/\.test\.ts$|\/testing\/|main\.ts$|\/cli\/|\/config\/|build\.ts$|\.bench\.ts$/.test(file);
    expect(found(/process\.env\b/, product)).to.deep.equal([]);
  });

  it('switches no check off', () => {
    const marks = new RegExp(
      ['@ts-' + '(ignore|nocheck|expect-error)', 'biome-' + 'ignore'].join('|'),
    );
    // AssemblyScript's decorators are not TypeScript's: there the mark is for editors only.
    const checked = (file: string): boolean =>
      file !== 'scripts/check-shape.test.ts' && !file.startsWith('node/engine/assembly/');
    expect(found(marks, checked)).to.deep.equal([]);
  });
});
