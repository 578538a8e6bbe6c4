import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { frameEnd } from './frame.ts';

function encode(words: readonly Uint8Array[]): Buffer {
  const parts = words.flatMap((word) => [`$${word.length}\r\n`, word, '\r\n']);
  return Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part)));
}

describe('end of a command', () => {
  it('is found behind any command, whatever follows', () => {
    const words = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(words, fc.uint8Array(), (command, rest) => {
        const bytes = encode(command);
        const all = Buffer.concat([bytes, rest]);
        expect(frameEnd(all, 0, all.length)).to.equal(bytes.length);
        const shifted = Buffer.concat([rest, all]);
        const end = frameEnd(shifted, rest.length, shifted.length);
        expect(end).to.equal(rest.length + bytes.length);
      }),
    );
  });

  it('is not found before the command is whole', () => {
    const bytes = encode([Buffer.from('SET'), Buffer.from('a'), Buffer.from('12345')]);
    for (let length = 0; length < bytes.length; length++) {
      expect(frameEnd(bytes, 0, length), `${length} bytes`).to.equal(-1);
    }
  });

  it('is the end of the line for an inline command', () => {
    const bytes = Buffer.from('GET a\r\nGET b\n');
    expect(frameEnd(bytes, 0, bytes.length)).to.equal(7);
    expect(frameEnd(bytes, 7, bytes.length)).to.equal(13);
    expect(frameEnd(bytes, 7, 12)).to.equal(-1);
  });
});
