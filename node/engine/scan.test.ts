import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { frame, type Harness, makeHarness, runBytes } from './testing/harness.ts';
import { narrowModule } from './testing/variants.ts';

function set(harness: Harness, from: number, to: number): void {
  for (let start = from; start < to; start += 500) {
    const frames: Buffer[] = [];
    for (let index = start; index < Math.min(to, start + 500); index++) {
      frames.push(frame('SET', `key:${index}`, `value:${index}`));
    }
    expect(runBytes(harness, Buffer.concat(frames)).text).to.match(/^(\+OK\r\n)+$/);
  }
}

function remove(harness: Harness, from: number, to: number): void {
  for (let index = from; index < to; index++) runBytes(harness, frame('DEL', `key:${index}`));
}

function scanAll(
  { engine }: Harness,
  keysMax: number,
  between: (turn: number) => void = () => {},
): string[] {
  const told: string[] = [];
  let cursor = 0n;
  let turn = 0;
  do {
    const options = { keysMax, bytesMax: 200_000, withValues: true };
    const result = engine.scan(0, cursor, options, 1_000_000, 1);
    expect(result.status).to.equal('ok');
    for (const { key, value } of result.entries) {
      const name = Buffer.from(key).toString();
      expect(Buffer.from(value ?? []).toString()).to.equal(name.replace('key', 'value'));
      told.push(name);
    }
    cursor = result.cursor;
    expect(cursor < 2n ** 52n).to.equal(true);
    between(turn++);
  } while (cursor !== 0n);
  return told;
}

describe('scan', function () {
  this.timeout(30_000);

  it('tells every key once while nothing changes', () => {
    const harness = makeHarness({ shards: 1 });
    set(harness, 0, 12_000);
    const told = scanAll(harness, 10);
    expect(told.length).to.equal(12_000);
    expect(new Set(told).size).to.equal(12_000);
  });

  it('tells every key that is there all the time, while tables grow, split and shrink', () => {
    fc.assert(
      fc.property(
        fc.nat(2000),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(3),
        (kept, keysMax, kind) => {
          const harness = makeHarness({ shards: 1 });
          set(harness, 0, kept);
          set(harness, 50_000, 50_000 + 2000);
          let next = 100_000;
          const told = scanAll(harness, keysMax, (turn) => {
            if (turn > 30) return;
            if (kind !== 1) set(harness, next, next + 400);
            if (kind !== 0) remove(harness, 50_000 + turn * 60, 50_000 + turn * 60 + 60);
            if (kind === 2) harness.engine.sweep([0], 100, 1_000_000);
            next += 400;
          });
          const found = new Set(told);
          for (let index = 0; index < kept; index++)
            expect(found.has(`key:${index}`)).to.equal(true);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('walks chains of tables', async () => {
    const module = await narrowModule();
    const harness = makeHarness({ shards: 1 }, module);
    set(harness, 0, 1500);
    expect(new Set(scanAll(harness, 10)).size).to.equal(1500);
    remove(harness, 0, 750);
    for (let index = 0; index < 1500; index++) {
      const reply = index < 750 ? '$-1\r\n' : `$${`value:${index}`.length}\r\nvalue:${index}\r\n`;
      expect(runBytes(harness, frame('GET', `key:${index}`)).text).to.equal(reply);
    }
    expect(new Set(scanAll(harness, 10)).size).to.equal(750);
  });

  it('tells long keys and pins long values', () => {
    const harness = makeHarness({ shards: 1 });
    for (let index = 0; index < 40; index++) {
      const key = `${index}:${'k'.repeat(60_000)}`;
      expect(runBytes(harness, frame('SET', key, 'v'.repeat(70_000))).text).to.equal('+OK\r\n');
    }
    let told = 0;
    let cursor = 0n;
    do {
      const options = { keysMax: 10, bytesMax: 1 << 20, withValues: true };
      const result = harness.engine.scan(0, cursor, options, 1_000_000, 1);
      for (const { value } of result.entries) expect(value?.length).to.equal(70_000);
      told += result.entries.length;
      cursor = result.cursor;
    } while (cursor !== 0n);
    expect(told).to.equal(40);
  });

  it('filters by a glob', () => {
    const harness = makeHarness({ shards: 1 });
    set(harness, 0, 300);
    const match = Buffer.from('key:[12]?');
    const options = { keysMax: 1000, bytesMax: 200_000, withValues: false, match };
    const { entries } = harness.engine.scan(0, 0n, options, 1_000_000, 1);
    expect(entries.length).to.equal(20);
  });
});
