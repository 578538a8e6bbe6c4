/** The judge itself, on histories of which it is known whether they are linearizable. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { judge } from '../history/judge.ts';
import { knownHistories } from '../history/testing/histories.ts';
import { testEnvironment } from '../support/environment.ts';

describe('the judge of histories', () => {
  let folder: string;
  before(() => {
    folder = join(testEnvironment().reports, 'judge');
    mkdirSync(folder, { recursive: true });
  });

  for (const { name, good, history } of knownHistories) {
    it(`${good ? 'allows' : 'finds'} ${name}`, async () => {
      const judged = await judge(testEnvironment().judge, history, folder);
      expect(judged.verdict).to.equal(good ? 'linearizable' : 'not linearizable');
      expect(judged.bad.length).to.equal(good ? 0 : 1);
    });
  }

  it('passes nothing for which its time is not enough', async () => {
    const [known] = knownHistories;
    const judged = await judge(testEnvironment().judge, known?.history ?? [], folder, 0);
    expect(judged.verdict).to.equal('not decided');
    expect(judged.undecided.length).to.equal(judged.keys);
  });
});
