import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { readScanToken, readVersion, writeScanToken, writeVersion } from './tokens.ts';

const generation = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('versions and tokens', () => {
  it('come back as they were given out', () => {
    fc.assert(
      fc.property(generation, fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }), (g, version) => {
        const given = { generation: g, version };
        expect(readVersion(writeVersion(given))).to.deep.equal(given);
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1023 }),
        generation,
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (shard, g, cursor) => {
          const given = { shard, generation: g, cursor };
          expect(readScanToken(writeScanToken(given))).to.deep.equal(given);
        },
      ),
    );
  });

  it('are told from what is none', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(13)]) {
      expect(readVersion(bytes)).to.equal(undefined);
    }
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(15),
      Buffer.alloc(14, 1),
      Buffer.alloc(16, 1),
    ]) {
      expect(readScanToken(bytes)).to.equal(undefined);
    }
  });
});
