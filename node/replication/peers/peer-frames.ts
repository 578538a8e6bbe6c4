/** Whole frames (`rdb.v1.PeerFrame`): what one turn of the event loop has to say to one node. */

import {
  PeerFrame,
  type PeerHello,
  type PeerRefusal,
  PromiseRefusalReason,
  Heartbeat as WireHeartbeat,
  HeartbeatAnswer as WireHeartbeatAnswer,
} from '@r-db/proto/generated/rdb/v1/peer.ts';
import { epoch, generation, type Incarnation } from '../core/identity.ts';
import type { Heartbeat, HeartbeatAnswer, PromiseRefusal } from '../core/messages.ts';
import { BrokenFrame } from './frames.ts';
import { type MessageContext, type ReadMessage, readShardMessage } from './shard-messages.ts';
import { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** Fields of a PeerFrame. */
export const frameField = {
  hello: 1,
  heartbeat: 2,
  heartbeatAnswer: 3,
  shards: 4,
  leave: 5,
  refusal: 6,
} as const;

/** What a frame says, in the order of its fields. */
export interface FrameHandlers {
  /** `clockMs`: the sender's shard time, milliseconds since 1970; 0: not told. */
  heartbeat(beat: Heartbeat, clockMs: number): void;
  heartbeatAnswer(answer: HeartbeatAnswer): void;
  message(message: ReadMessage): void;
  /** `incarnation` without its node. */
  leave(incarnation: string): void;
  refusal(refusal: PeerRefusal): void;
}

/** Reads a frame of a peer that has introduced itself. Throws BrokenFrame. */
export function readFrame(
  frame: Buffer,
  sender: Incarnation,
  context: MessageContext,
  handlers: FrameHandlers,
): void {
  const from = new WireReader(frame);
  while (from.next()) {
    switch (from.field) {
      case frameField.heartbeat: {
        const wire = decoded(WireHeartbeat, from.view());
        handlers.heartbeat(beatOf(wire), Number(wire.clockMs));
        break;
      }
      case frameField.heartbeatAnswer:
        handlers.heartbeatAnswer(answerOf(decoded(WireHeartbeatAnswer, from.view())));
        break;
      case frameField.shards: {
        const outer = from.enter();
        const read = readShardMessage(from, context, sender);
        from.leave(outer);
        if (read !== undefined) handlers.message(read);
        break;
      }
      case frameField.leave:
      case frameField.refusal: {
        const { leave, refusal } = decoded(PeerFrame, frame);
        if (from.field === frameField.leave && leave !== undefined) {
          handlers.leave(leave.incarnation);
        }
        if (from.field === frameField.refusal && refusal !== undefined) handlers.refusal(refusal);
        from.skip();
        break;
      }
      default:
        from.skip();
    }
  }
}

/** The first frame of a connection: a hello, or why there is none. */
export function readFirstFrame(frame: Buffer): PeerHello | PeerRefusal {
  const { hello, refusal } = decoded(PeerFrame, frame);
  const said = refusal ?? hello;
  if (said === undefined) throw new BrokenFrame('the first frame is no hello');
  return said;
}

export function writeHeartbeat(to: WireWriter, beat: Heartbeat, clockMs: number): void {
  const { number, promiseMs, tableVersion, led, echoedMark = 0, committed = [] } = beat;
  to.bytes(
    frameField.heartbeat,
    WireHeartbeat.encode({
      number: BigInt(number),
      promiseMs,
      tableVersion: BigInt(tableVersion),
      led: led.map((row) => ({
        shard: row.shard,
        epoch: BigInt(row.epoch),
        generation: BigInt(row.generation),
      })),
      echoedMark: BigInt(echoedMark),
      clockMs: BigInt(clockMs),
      committed: committed.map((row) => ({ shard: row.shard, committed: BigInt(row.committed) })),
    }).finish(),
  );
}

export function writeHeartbeatAnswer(to: WireWriter, answer: HeartbeatAnswer): void {
  const { number, promiseMs, tableVersion, refused, mark = 0 } = answer;
  to.bytes(
    frameField.heartbeatAnswer,
    WireHeartbeatAnswer.encode({
      number: BigInt(number),
      promiseMs,
      tableVersion: BigInt(tableVersion),
      refused: refused.map((one) => ({
        shard: one.shard,
        epoch: BigInt(one.epoch),
        reason: wireReasons[one.reason],
      })),
      mark: BigInt(mark),
    }).finish(),
  );
}

/** A frame of one rare field. */
export function wholeFrame(
  frame: Partial<Pick<PeerFrame, 'hello' | 'leave' | 'refusal'>>,
): Uint8Array {
  return PeerFrame.encode(PeerFrame.fromPartial(frame)).finish();
}

function beatOf(wire: WireHeartbeat): Heartbeat {
  return {
    number: Number(wire.number),
    promiseMs: wire.promiseMs,
    tableVersion: Number(wire.tableVersion),
    led: wire.led.map((row) => ({
      shard: row.shard,
      epoch: epoch(Number(row.epoch)),
      generation: generation(Number(row.generation)),
    })),
    ...(wire.echoedMark === 0n ? {} : { echoedMark: Number(wire.echoedMark) }),
    committed: wire.committed.map((row) => ({
      shard: row.shard,
      committed: Number(row.committed),
    })),
  };
}

function answerOf(wire: WireHeartbeatAnswer): HeartbeatAnswer {
  return {
    number: Number(wire.number),
    promiseMs: wire.promiseMs,
    tableVersion: Number(wire.tableVersion),
    refused: wire.refused.map((one) => ({
      shard: one.shard,
      epoch: epoch(Number(one.epoch)),
      reason: reasonOf(one.reason),
    })),
    ...(wire.mark === 0n ? {} : { mark: Number(wire.mark) }),
  };
}

const wireReasons = {
  epoch: PromiseRefusalReason.EPOCH,
  leader: PromiseRefusalReason.LEADER,
  campaign: PromiseRefusalReason.CAMPAIGN,
  generation: PromiseRefusalReason.GENERATION,
} as const satisfies Record<PromiseRefusal['reason'], PromiseRefusalReason>;

/** One that this version does not know is a refusal all the same. */
function reasonOf(wire: PromiseRefusalReason): PromiseRefusal['reason'] {
  const known = Object.entries(wireReasons).find(([, reason]) => reason === wire);
  return (known?.[0] ?? 'epoch') as PromiseRefusal['reason'];
}

function decoded<T>({ decode }: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return decode(bytes);
  } catch (error) {
    throw new BrokenFrame(`a message that can't be read: ${(error as Error).message}`);
  }
}
