import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { formatBytes, formatDuration, jsonBytes, Output, printable } from './output.ts';

describe('output of rdb', () => {
  it('writes tables with columns as wide as they must be', () => {
    let out = '';
    const stdout = { write: (chunk: string | Uint8Array) => (out += chunk) };
    const output = new Output({ stdout, stderr: stdout, json: false, colour: true });
    output.table(
      ['NAME', 'N'],
      [
        ['a', '1'],
        ['longer', '100'],
      ],
      [1],
    );
    expect(out).to.equal('NAME      N\na         1\nlonger  100\n');
  });

  it('writes sizes and durations for people', () => {
    expect([0, 1023, 1024, 1536, 200 * 1024, 5 * 2 ** 30].map(formatBytes)).to.deep.equal([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '200 KiB',
      '5.0 GiB',
    ]);
    expect([0, 999, 61_000, 3_600_000, 100_000_000].map(formatDuration)).to.deep.equal([
      '0s',
      '0s',
      '1m 1s',
      '1h 0m',
      '1d 3h',
    ]);
  });

  it('never writes a control character, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(printable(bytes)).not.to.match(/\p{Cc}/u);
      }),
    );
  });

  it('loses no byte in JSON', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const { value, valueBase64 } = jsonBytes('value', bytes);
        const back =
          value === undefined ? Buffer.from(valueBase64 ?? '', 'base64') : Buffer.from(value);
        expect([...back]).to.deep.equal([...bytes]);
      }),
      { examples: [[Uint8Array.of(0xef, 0xbb, 0xbf, 97)]] },
    );
  });
});
