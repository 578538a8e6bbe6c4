import { crc32 } from 'node:zlib';
import {
  AcknowledgementProblem,
  ShardMessage as WireShardMessage,
} from '@r-db/proto/generated/rdb/v1/peer.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { epoch, generation, incarnation, revision } from '../core/identity.ts';
import type { ShardLease } from '../core/lease.ts';
import type { MessageBody } from '../core/messages.ts';
import { BrokenFrame } from './frames.ts';
import { type MessageContext, readShardMessage, writeShardMessage } from './shard-messages.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const lease: ShardLease = {
  uid: 'u',
  version: '1',
  revision: revision(4),
  epoch: epoch(7),
  generation: generation(2),
  leader: incarnation('demo-1/b'),
  inSync: [incarnation('demo-1/b')],
  assignment: ['demo-1'],
};
const sender = incarnation('demo-2/0123456789abcdef');
const context: MessageContext = {
  self: sender,
  write: () => Buffer.from('the Lease'),
  read: (_, bytes) => (Buffer.from(bytes).toString() === 'the Lease' ? lease : undefined),
  freeBytes: () => 99,
};

const content = Buffer.from('what changes');
const position = (sequence: number) => ({ epoch: epoch(300), sequence });
const bodies: readonly MessageBody[] = [
  {
    kind: 'entries',
    previous: position(2 ** 40),
    entries: [{ ...position(2 ** 40 + 1), content, checksum: crc32(content) }],
    committed: 2 ** 53 - 1,
  },
  { kind: 'entries', previous: position(0), entries: [], committed: 0 },
  {
    kind: 'acknowledgement',
    incarnation: incarnation('demo-2/another'),
    held: position(9),
    applied: position(8),
    freeBytes: 0,
  },
  {
    kind: 'acknowledgement',
    incarnation: incarnation('demo-2/0123456789abcdef'),
    held: position(0),
    applied: position(0),
    problem: 'gap',
    snapshot: { number: 3, cuts: 0 },
    freeBytes: 2 ** 40,
  },
  { kind: 'commit', committed: 77 },
  { kind: 'snapshot-begin', snapshot: 5, from: position(12) },
  { kind: 'snapshot-cut', snapshot: 5, index: 128, cut: Buffer.alloc(70_000, 'x') },
  { kind: 'snapshot-end', snapshot: 5, cuts: 129, sessions: Buffer.from('sessions') },
  { kind: 'hand-over', lease },
  { kind: 'refusal' },
];

function encoded(body: MessageBody): Buffer {
  const writer = new WireWriter(16);
  const message = { generation: generation(2), epoch: epoch(300), body };
  writeShardMessage(writer, 1023, message, context);
  return writer.buffer.subarray(0, writer.end);
}

describe('messages between replicas', () => {
  for (const body of bodies) {
    it(`come back as they were: ${body.kind}`, () => {
      const read = readShardMessage(new WireReader(encoded(body)), context, sender);
      expect(read?.shard).to.equal(1023);
      expect(read?.message).to.deep.equal({ generation: 2, epoch: 300, body });
    });

    it(`are what the .proto says: ${body.kind}`, () => {
      const wire = WireShardMessage.decode(encoded(body));
      expect(wire).to.include({ shard: 1023, generation: 2n, epoch: 300n });
      const again = Buffer.from(WireShardMessage.encode(wire).finish());
      const read = readShardMessage(new WireReader(again), context, sender);
      expect(read?.message.body).to.deep.equal(body);
    });
  }

  it('name a problem that the generated code knows', () => {
    const wire = WireShardMessage.decode(encoded(bodies[3] as MessageBody));
    if (wire.body?.$case !== 'acknowledgement') throw new Error('no acknowledgement');
    expect(wire.body.value.problem).to.equal(AcknowledgementProblem.GAP);
  });

  it('of a newer version are passed over', () => {
    const writer = new WireWriter(16);
    writer.number(1, 3);
    writer.bytes(14, Buffer.from('something new'));
    writer.fixed32(13, 9);
    const read = readShardMessage(
      new WireReader(writer.buffer.subarray(0, writer.end)),
      context,
      sender,
    );
    expect(read).to.equal(undefined);
  });

  it('are refused where an entry differs from its checksum', () => {
    const bytes = encoded(bodies[0] as MessageBody);
    const at = bytes.indexOf('what');
    bytes[at] = 'W'.charCodeAt(0);
    expect(() => readShardMessage(new WireReader(bytes), context, sender)).to.throw(
      BrokenFrame,
      'checksum',
    );
  });

  it('that are cut off or damaged are BrokenFrames or are read, never more', () => {
    for (const body of bodies) {
      const bytes = encoded(body).subarray(0, 200);
      for (let at = 0; at < bytes.length; at++) {
        for (const damaged of [bytes.subarray(0, at), flipped(bytes, at)]) {
          try {
            readShardMessage(new WireReader(damaged), context, sender);
          } catch (error) {
            const expected = error instanceof BrokenFrame || error instanceof RangeError;
            if (!expected) throw error;
          }
        }
      }
    }
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x81;
  return copy;
}
