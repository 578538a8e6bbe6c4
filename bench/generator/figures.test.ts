import { expect } from 'chai';
import { describe, it } from 'mocha';
import { BenchError } from '../errors.ts';
import { measureWithRedisBenchmark, readRedisBenchmark } from './figures.ts';

const head =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';

describe('redis-benchmark as the generator', () => {
  it('is read', () => {
    const figures = readRedisBenchmark(
      `WARNING: no config\n${head}\n"GET","70505.29","0.424","0.096","0.391","0.655","0.839","4.847"\n`,
    );
    expect(figures.perSecond).to.equal(70505.29);
    expect(figures.p50Ns).to.equal(391_000);
    expect(figures.p99Ns).to.equal(839_000);
    expect(figures.p999Ns).to.be.NaN;
  });

  it('is not believed when it prints something else', () => {
    for (const csv of ['', head, `${head}\n"GET","fast"`, 'Error from server: ERR no']) {
      expect(() => readRedisBenchmark(csv)).to.throw(BenchError, 'printed something else');
    }
  });

  it('has neither random depths nor mixed operations', async () => {
    const load = { port: 1, pid: 1, connections: 1, keys: 1, valueBytes: 1 } as const;
    for (const wrong of [
      { ...load, operation: 'get', pipeline: '1-64' },
      { ...load, operation: 'mixed', pipeline: '1' },
    ] as const) {
      const error = await measureWithRedisBenchmark(wrong).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(BenchError);
    }
  });
});
