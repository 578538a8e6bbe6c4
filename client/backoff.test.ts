import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { backoffMs, delay } from './backoff.ts';

describe('backoff', () => {
  const range = { minMs: 10, maxMs: 500 };

  it('doubles, and stays within half of it and the longest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, random) => {
          const ms = backoffMs(attempt, range, () => random);
          const full = Math.min(500, 10 * 2 ** (attempt - 1));
          expect(ms).to.be.within(full / 2, full);
        },
      ),
    );
  });

  it('ends at once when the signal says so', async () => {
    const controller = new AbortController();
    const waiting = delay(1_000_000, controller.signal);
    controller.abort();
    await waiting;
    await delay(1_000_000, controller.signal);
  });
});
