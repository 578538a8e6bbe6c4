/**
 * mocha's `spec`; what the cluster said is kept when a test or a hook fails; the totals go to a file for
 * `e2e/main.ts`, which says them last.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { collect } from './collect.ts';
import { testEnvironment } from './environment.ts';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on('fail', (runnable) => collect(runnable.fullTitle()));
    runner.once('end', () => {
      const totals: Totals = { passed: this.stats.passes, failed: this.stats.failures };
      writeFileSync(join(testEnvironment().reports, 'totals.json'), JSON.stringify(totals));
    });
  }
}
