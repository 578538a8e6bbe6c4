import { expect } from 'chai';
import { describe, it } from 'mocha';
import { SESSION_BYTES, sessionId, sessionStartMs } from './sessions.ts';

describe('IDs of sessions', () => {
  it('carry their start in the first 6 bytes, big endian, and random ones behind', () => {
    const id = sessionId(0x0192_0000_1234 + 0.5, (bytes) => bytes.fill(0xab));
    expect(Buffer.from(id).toString('hex')).to.equal('019200001234abababababababababab');
    expect(sessionStartMs(id)).to.equal(0x0192_0000_1234);
  });

  it('are read where they stand in a larger buffer', () => {
    const id = sessionId(1_700_000_000_000, () => undefined);
    const around = Buffer.concat([Buffer.from([1, 2, 3]), id, Buffer.from([4])]);
    expect(sessionStartMs(around.subarray(3, 3 + SESSION_BYTES))).to.equal(1_700_000_000_000);
  });

  it('are refused in another length; no start is out of range', () => {
    expect(sessionStartMs(new Uint8Array(15))).to.equal(undefined);
    expect(sessionStartMs(sessionId(-1, () => undefined))).to.equal(0);
    expect(sessionStartMs(sessionId(2 ** 50, () => undefined))).to.equal(2 ** 48 - 1);
  });
});
