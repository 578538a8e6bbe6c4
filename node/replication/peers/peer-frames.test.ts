import { expect } from 'chai';
import { describe, it } from 'mocha';
import { epoch, generation, incarnation } from '../core/identity.ts';
import type { Heartbeat, HeartbeatAnswer } from '../core/messages.ts';
import {
  type FrameHandlers,
  readFrame,
  writeHeartbeat,
  writeHeartbeatAnswer,
} from './peer-frames.ts';
import { WireWriter } from './wire-writer.ts';

const led = [{ shard: 3, epoch: epoch(7), generation: generation(2) }];
const context = {
  self: incarnation('demo-9/x'),
  write: () => new Uint8Array(0),
  read: () => undefined,
  freeBytes: () => 0,
};

function read(write: (to: WireWriter) => void): (Heartbeat | HeartbeatAnswer)[] {
  const writer = new WireWriter(16);
  write(writer);
  const seen: (Heartbeat | HeartbeatAnswer)[] = [];
  const handlers: FrameHandlers = {
    heartbeat: (beat, clockMs) => {
      expect(clockMs).to.equal(42);
      seen.push(beat);
    },
    heartbeatAnswer: (answer) => seen.push(answer),
    message: () => {},
    leave: () => {},
    refusal: () => {},
  };
  readFrame(writer.buffer.subarray(0, writer.end), context.self, context, handlers);
  return seen;
}

describe('frames of heartbeats', () => {
  it('bring what a heartbeat says', () => {
    const beat: Heartbeat = {
      number: 5,
      promiseMs: 1_000,
      tableVersion: 9,
      led,
      echoedMark: 123_456_789,
      committed: [{ shard: 3, committed: 2 ** 40 }],
    };
    expect(read((to) => writeHeartbeat(to, beat, 42))).to.deep.equal([beat]);
    const first = { number: 1, promiseMs: 1_000, tableVersion: 9, led };
    expect(read((to) => writeHeartbeat(to, first, 42))).to.deep.equal([
      { ...first, committed: [] },
    ]);
  });

  it('bring what its answer says', () => {
    const answer: HeartbeatAnswer = {
      number: 5,
      promiseMs: 1_000,
      tableVersion: 9,
      refused: [{ shard: 4, epoch: epoch(8), reason: 'campaign' }],
      mark: 987_654_321,
    };
    expect(read((to) => writeHeartbeatAnswer(to, answer))).to.deep.equal([answer]);
  });
});
