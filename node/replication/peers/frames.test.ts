import { expect } from 'chai';
import { describe, it } from 'mocha';
import { BrokenFrame, FrameReader } from './frames.ts';

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
