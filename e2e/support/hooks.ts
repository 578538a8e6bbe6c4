/** Around all tests: what the cluster said is kept when one fails. */
import { collect } from './collect.ts';

export const mochaHooks = {
  async afterEach(this: Mocha.Context): Promise<void> {
    const test = this.currentTest;
    if (test?.state === 'failed') await collect(test.fullTitle());
  },
};
