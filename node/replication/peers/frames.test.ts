import { expect } from 'chai';
import { describe, it } from 'mocha';
import { BrokenFrame, FrameReader } from './frames.ts';
import { limits } from './limits.ts';

function framed(text: string): Buffer {
  const frame = Buffer.alloc(4 + text.length);
  frame.writeUInt32BE(text.length);
  frame.write(text, 4);
  return frame;
}

describe('frames', () => {
  const stream = Buffer.concat(['one', '', 'three and more', 'x'].map(framed));

  it('are the same however the stream is cut', () => {
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second += 3) {
        const seen: string[] = [];
        const reader = new FrameReader(100, (frame) => seen.push(frame.toString()));
        reader.take(stream.subarray(0, first));
        reader.take(stream.subarray(first, second));
        reader.take(stream.subarray(second));
        expect(seen).to.deep.equal(['one', '', 'three and more', 'x']);
      }
    }
  });

  it('are whole when a long one came before, in room that is kept or not', () => {
    const kept = limits.frameRoomBytesKept;
    for (const bytes of [kept / 2, kept * 2]) {
      const texts = ['a'.repeat(bytes), 'b'.repeat(bytes + 1), 'short', 'c'.repeat(kept / 4)];
      const seen: string[] = [];
      const reader = new FrameReader(4 * kept, (frame) => seen.push(frame.toString()));
      const all = Buffer.concat(texts.map(framed));
      for (let at = 0; at < all.length; at += 60_001) reader.take(all.subarray(at, at + 60_001));
      expect(seen.map((text) => `${text.length}${text[0]}`)).to.deep.equal(
        texts.map((text) => `${text.length}${text[0]}`),
      );
      expect(seen.every((text, index) => text === texts[index])).to.equal(true);
    }
  });

  it('are refused by their length alone', () => {
    const reader = new FrameReader(5, () => {});
    expect(() => reader.take(Buffer.from([0, 0, 0, 6]))).to.throw(
      BrokenFrame,
      'a frame of 6 bytes',
    );
    reader.allow(6);
    reader.take(Buffer.from([0, 0, 0, 6]));
  });
});
