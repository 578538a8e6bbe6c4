import { expect } from 'chai';
import { describe, it } from 'mocha';
import {
  type Access,
  counts,
  lostWrites,
  quantiles,
  resumedMs,
  successEnds,
  unavailableMs,
} from './figures.ts';
import type { Operation } from './operation.ts';

const operation = (startMs: number, endMs: number, more: Partial<Operation> = {}): Operation => ({
  process: 'p',
  shard: 0,
  key: 'a',
  kind: 'read',
  outcome: 'ok',
  startNs: `${BigInt(startMs) * 1_000_000n}`,
  endNs: `${BigInt(endMs) * 1_000_000n}`,
  ...more,
});
const write = (startMs: number, value: string, more: Partial<Operation> = {}) =>
  operation(startMs, startMs + 1, { kind: 'write', value, ...more });
const final = (result: string | null, key = 'a') =>
  operation(1000, 1001, { key, result, final: true });
const ns = (ms: number) => BigInt(ms) * 1_000_000n;

describe('figures of a history', () => {
  const window = { fromNs: ns(100), toNs: ns(200) };
  const ends = (history: readonly Operation[], access: Access = 'reads') =>
    successEnds(history, { shard: 0, access });

  it('have the longest gap that touches the window', () => {
    const all = [900, 0, 95, 105, 160, 170, 300].map((endMs) => operation(endMs - 1, endMs));
    expect(unavailableMs(ends(all), window)).to.equal(130);
    expect(unavailableMs(ends(all), { fromNs: ns(100), toNs: ns(165) })).to.equal(55);
  });

  it('count from the last success before the fault, and to the end if none came any more', () => {
    const two = ends([operation(40, 50), operation(119, 120)]);
    expect(unavailableMs(two, window)).to.equal(80);
    expect(unavailableMs(ends([operation(40, 50)]), window)).to.equal(150);
    expect(unavailableMs([], window)).to.equal(100);
    expect(resumedMs(two, ns(100))).to.equal(20);
    expect(resumedMs(two, ns(120))).to.equal(undefined);
  });

  it('tell shards, reads and writes apart; failures and final reads count for nothing', () => {
    const history = [
      operation(98, 99),
      operation(149, 150, { shard: 1 }),
      operation(149, 150, { kind: 'write', value: 'x' }),
      operation(149, 150, { outcome: 'failed', error: 'CLUSTERDOWN' }),
      operation(149, 150, { final: true }),
      operation(198, 199),
      operation(201, 202),
    ];
    expect(unavailableMs(ends(history), window)).to.equal(100);
    expect(unavailableMs(ends(history, 'writes'), window)).to.equal(50);
  });

  it('have quantiles by nearest rank', () => {
    const samples = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(quantiles(samples)).to.deep.equal({ samples: 200, p50Ms: 100, p99Ms: 198, maxMs: 200 });
    expect(quantiles([7])).to.deep.equal({ samples: 1, p50Ms: 7, p99Ms: 7, maxMs: 7 });
    expect(quantiles([])).to.deep.equal({ samples: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  });

  it('count outcomes by kind and error', () => {
    const found = counts([
      operation(0, 1),
      operation(0, 1),
      write(0, 'x', { outcome: 'unknown', error: 'TIMEOUT' }),
    ]);
    expect(Object.fromEntries(found)).to.deep.equal({ read: 2, 'write unknown TIMEOUT': 1 });
  });

  it('find acknowledged writes that are not there', () => {
    expect(lostWrites([write(0, 'x'), write(10, 'y'), final('y')])).to.equal(0);
    expect(lostWrites([write(0, 'x'), write(10, 'y'), final('x')])).to.equal(1);
    expect(lostWrites([write(5, 'x'), write(10, 'y'), final(null)])).to.equal(2);
    const overlapping = [write(0, 'x'), operation(0, 9, { kind: 'write', value: 'y' })];
    expect(lostWrites([...overlapping, final('x')])).to.equal(0);
  });

  it('call nothing lost that an unknown outcome explains', () => {
    const late = write(0, 'x', { outcome: 'unknown', error: 'UNKNOWN' });
    expect(lostWrites([late, write(10, 'y'), final('x')])).to.equal(0);
    expect(lostWrites([write(0, 'x'), { ...late, startNs: '10' }, final('x')])).to.equal(0);
    const failed = write(10, 'y', { outcome: 'failed', error: 'CLUSTERDOWN' });
    expect(lostWrites([write(0, 'x'), failed, final('x')])).to.equal(0);
  });

  it('find increments that are missing from the sum', () => {
    const increments = ['1', '2', '3'].map((result, index) =>
      operation(index, index, { key: 'c', kind: 'increment', result }),
    );
    expect(lostWrites([...increments, final('3', 'c')])).to.equal(0);
    expect(lostWrites([...increments, final('1', 'c')])).to.equal(2);
    expect(lostWrites([...increments, final(null, 'c')])).to.equal(3);
    expect(lostWrites(increments)).to.equal(0);
  });
});
