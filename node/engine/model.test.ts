import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { type Step, step } from './testing/commands.ts';
import { expectNoLeak, frame, type Harness, makeHarness, runBytes } from './testing/harness.ts';
import { Model } from './testing/model.ts';
import { narrowModule } from './testing/variants.ts';

const valueBytesMax = 200_000;
const outOfMemory = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/** Runs steps against engine and model; replies must be the same. */
function compare(harness: Harness, steps: readonly Step[]): void {
  const model = new Model(valueBytesMax);
  let nowMs = 1_000_000;
  for (const { commands, passMs, sweep } of steps) {
    nowMs += passMs;
    const bytes = Buffer.concat(commands.map((words) => frame(...words)));
    const expected = commands.map((words) => model.run(words, nowMs)).join('');
    expect(runBytes(harness, bytes, nowMs).text).to.equal(expected);
    if (sweep) harness.engine.sweep([0, 1, 2, 3], 5, nowMs);
  }
  for (let turn = 0; turn < 20; turn++) harness.engine.sweep([0, 1, 2, 3], 100, nowMs);
  const live = [...model.entries.values()].filter(
    ({ expireAtMs }) => expireAtMs === undefined || expireAtMs > BigInt(nowMs),
  );
  let stored = 0;
  for (let shard = 0; shard < 4; shard++) stored += harness.engine.shardStatistics(shard).keys;
  expect(stored).to.equal(live.length);
}

describe('engine against a plain model', function () {
  this.timeout(30_000);
  const steps = fc.array(step, { minLength: 1, maxLength: 12 });

  it('gives the same replies, and leaves nothing behind', () => {
    fc.assert(
      fc.property(steps, (some) => {
        const harness = makeHarness({
          valueBytesMax,
          reservedBytes: 24 << 20,
          budgetBytes: 16 << 20,
        });
        compare(harness, some);
        expectNoLeak(harness);
      }),
      { numRuns: 150 },
    );
  });

  it('does so with values outside of their records and with chained tables', async () => {
    const module = await narrowModule();
    fc.assert(
      fc.property(steps, (some) => {
        const harness = makeHarness(
          { valueBytesMax, reservedBytes: 24 << 20, budgetBytes: 16 << 20 },
          module,
        );
        compare(harness, some);
        expectNoLeak(harness);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses what does not fit, whole commands only, and goes on', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), (some) => {
        const harness = makeHarness({
          valueBytesMax,
          reservedBytes: 24 << 20,
          budgetBytes: 400_000,
        });
        const model = new Model(valueBytesMax);
        let nowMs = 1_000_000;
        for (const { commands, passMs } of some) {
          nowMs += passMs;
          for (const words of commands) {
            const { text } = runBytes(harness, frame(...words), nowMs);
            // Refused: the model does not run it, so any trace would show in a later reply.
            if (text !== outOfMemory && text !== '<NO BUFFER>') {
              expect(text).to.equal(model.run(words, nowMs));
            }
          }
        }
        for (const [key, { value, expireAtMs }] of model.entries) {
          if (expireAtMs !== undefined || value.length > 60_000) continue;
          const { text } = runBytes(harness, frame('GET', key), nowMs);
          expect(text).to.equal(`$${value.length}\r\n${value}\r\n`);
        }
        expectNoLeak(harness);
      }),
      { numRuns: 100 },
    );
  });
});
