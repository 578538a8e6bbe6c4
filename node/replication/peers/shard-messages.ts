/** Messages about single shards (`rdb.v1.ShardMessage`), between what the core says and bytes. */

import { crc32 } from 'node:zlib';
import { epoch, generation, type Incarnation, incarnation } from '../core/identity.ts';
import type { ShardLease } from '../core/lease.ts';
import type { MessageBody, ShardMessage } from '../core/messages.ts';
import type { LogEntry, Position } from '../core/position.ts';
import { BrokenFrame } from './frames.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** What messages say of their node. */
export interface MessageContext {
  /** Who sends, and so introduced itself on every connection: acknowledgements need not say it. */
  readonly self: Incarnation;
  /** The Lease in a hand-over as it is stored: only who knows the store can make one of the other. */
  write(shard: number, lease: ShardLease): Uint8Array;
  /** Undefined: it can't be followed. */
  read(shard: number, bytes: Uint8Array): ShardLease | undefined;
  /** Bytes of its budget that are free: told with each acknowledgement. */
  freeBytes(): number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Acknowledgement = Extract<MessageBody, { kind: 'acknowledgement' }>;

const problems = [undefined, 'out-of-memory', 'gap'] as const;
const field = {
  entries: 4,
  acknowledgement: 5,
  commit: 6,
  snapshotBegin: 7,
  snapshotCut: 8,
  snapshotEnd: 9,
  handOver: 10,
  refusal: 11,
} as const;

export function writeShardMessage(
  to: WireWriter,
  shard: number,
  message: ShardMessage,
  context: MessageContext,
): void {
  to.number(1, shard);
  to.number(2, message.generation);
  to.number(3, message.epoch);
  writeBody(to, shard, message.body, context);
}

function writeBody(
  to: WireWriter,
  shard: number,
  body: MessageBody,
  context: MessageContext,
): void {
  switch (body.kind) {
    case 'entries': {
      const start = to.open(field.entries);
      writePosition(to, 1, body.previous);
      for (const entry of body.entries) writeEntry(to, entry);
      to.number(3, body.committed);
      to.close(start);
      break;
    }
    case 'acknowledgement': {
      const start = to.open(field.acknowledgement);
      writeAcknowledgement(to, body, context);
      to.close(start);
      break;
    }
    case 'commit': {
      const start = to.open(field.commit);
      to.number(1, body.committed);
      to.close(start);
      break;
    }
    case 'snapshot-begin': {
      const start = to.open(field.snapshotBegin);
      to.number(1, body.snapshot);
      writePosition(to, 2, body.from);
      to.close(start);
      break;
    }
    case 'snapshot-cut': {
      const start = to.open(field.snapshotCut);
      to.number(1, body.snapshot);
      to.number(2, body.index);
      to.bytes(3, body.cut);
      to.close(start);
      break;
    }
    case 'snapshot-end': {
      const start = to.open(field.snapshotEnd);
      to.number(1, body.snapshot);
      to.number(2, body.cuts);
      to.bytes(3, body.sessions);
      to.close(start);
      break;
    }
    case 'hand-over': {
      const start = to.open(field.handOver);
      to.bytes(1, context.write(shard, body.lease));
      to.close(start);
      break;
    }
    case 'refusal':
      to.close(to.open(field.refusal));
  }
}

function writePosition(to: WireWriter, number: number, position: Position): void {
  const start = to.open(number);
  to.number(1, position.epoch);
  to.number(2, position.sequence);
  to.close(start);
}

function writeEntry(to: WireWriter, entry: LogEntry): void {
  to.reserve(64 + entry.content.length);
  const start = to.open(2);
  writePosition(to, 1, entry);
  to.bytes(2, entry.content);
  to.fixed32(3, entry.checksum);
  to.close(start);
}

function writeAcknowledgement(
  to: WireWriter,
  body: Acknowledgement,
  context: MessageContext,
): void {
  if (body.incarnation !== context.self) to.ascii(1, body.incarnation);
  writePosition(to, 2, body.held);
  writePosition(to, 3, body.applied);
  to.number(4, body.problem === undefined ? 0 : problems.indexOf(body.problem));
  // One more, so that 0 is told, too.
  to.number(5, (body.freeBytes ?? context.freeBytes()) + 1);
  if (body.snapshot !== undefined) {
    const start = to.open(6);
    to.number(1, body.snapshot.number);
    to.number(2, body.snapshot.cuts);
    to.close(start);
  }
}

export interface ReadMessage {
  readonly shard: number;
  readonly message: ShardMessage;
}

/**
 * Undefined: what it says is not known to this version, or can't be followed. Throws BrokenFrame.
 * `sender`: whoever introduced itself on the connection.
 */
export function readShardMessage(
  from: WireReader,
  context: MessageContext,
  sender: Incarnation,
): ReadMessage | undefined {
  let shard = 0;
  let ofGeneration = 0;
  let ofEpoch = 0;
  let body: MessageBody | undefined;
  while (from.next()) {
    if (from.field === 1) shard = from.number();
    else if (from.field === 2) ofGeneration = from.number();
    else if (from.field === 3) ofEpoch = from.number();
    else body = readBody(from, shard, context, sender) ?? body;
  }
  if (body === undefined) return undefined;
  return {
    shard,
    message: { generation: generation(ofGeneration), epoch: epoch(ofEpoch), body },
  };
}

function readBody(
  from: WireReader,
  shard: number,
  context: MessageContext,
  sender: Incarnation,
): MessageBody | undefined {
  switch (from.field) {
    case field.entries:
      return readEntries(from);
    case field.acknowledgement:
      return readAcknowledgement(from, sender);
    case field.commit:
      return { kind: 'commit', committed: readNumbers(from)[1] ?? 0 };
    case field.snapshotBegin:
      return readSnapshotBegin(from);
    case field.snapshotCut:
      return readSnapshotCut(from);
    case field.snapshotEnd:
      return readSnapshotEnd(from);
    case field.handOver: {
      const lease = context.read(shard, readBytes(from));
      return lease === undefined ? undefined : { kind: 'hand-over', lease };
    }
    case field.refusal:
      from.skip();
      return { kind: 'refusal' };
    default:
      from.skip();
      return undefined;
  }
}

function readEntries(from: WireReader): MessageBody {
  let previous: Position = { epoch: epoch(0), sequence: 0 };
  let committed = 0;
  let entries: LogEntry[] = [];
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) previous = readPosition(from);
    else if (from.field === 2) entries = withEntry(entries, readEntry(from));
    else if (from.field === 3) committed = from.number();
    else from.skip();
  }
  from.leave(outer);
  return { kind: 'entries', previous, entries, committed };
}

/** Nearly always there is one, and an array that grows takes room for seventeen. */
function withEntry(entries: LogEntry[], entry: LogEntry): LogEntry[] {
  if (entries.length === 0) return [entry];
  entries.push(entry);
  return entries;
}

function readEntry(from: WireReader): LogEntry {
  let position: Position | undefined;
  let content: Uint8Array = nothing;
  let checksum = 0;
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) position = readPosition(from);
    else if (from.field === 2) content = from.kept();
    else if (from.field === 3) checksum = from.fixed32();
    else from.skip();
  }
  from.leave(outer);
  if (position === undefined) throw new BrokenFrame('a log entry without a position');
  if (crc32(content) !== checksum) {
    throw new BrokenFrame(`entry ${position.epoch}.${position.sequence} differs from its checksum`);
  }
  return { epoch: position.epoch, sequence: position.sequence, content, checksum };
}

function readAcknowledgement(from: WireReader, sender: Incarnation): MessageBody {
  const told: Mutable<Acknowledgement> = {
    kind: 'acknowledgement',
    incarnation: sender,
    held: nowhere,
    applied: nowhere,
  };
  const outer = from.enter();
  while (from.next()) readOfAcknowledgement(from, told);
  from.leave(outer);
  return told;
}

function readOfAcknowledgement(from: WireReader, told: Mutable<Acknowledgement>): void {
  switch (from.field) {
    case 1:
      told.incarnation = incarnation(from.ascii());
      break;
    case 2:
      told.held = readPosition(from);
      break;
    case 3:
      told.applied = readPosition(from);
      break;
    case 4: {
      const problem = problems[from.number()];
      if (problem !== undefined) told.problem = problem;
      break;
    }
    case 5:
      told.freeBytes = from.number() - 1;
      break;
    case 6: {
      const [, number = 0, cuts = 0] = readNumbers(from);
      told.snapshot = { number, cuts };
      break;
    }
    default:
      from.skip();
  }
}

function readSnapshotBegin(from: WireReader): MessageBody {
  let snapshot = 0;
  let at: Position = { epoch: epoch(0), sequence: 0 };
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) snapshot = from.number();
    else if (from.field === 2) at = readPosition(from);
    else from.skip();
  }
  from.leave(outer);
  return { kind: 'snapshot-begin', snapshot, from: at };
}

function readSnapshotCut(from: WireReader): MessageBody {
  let snapshot = 0;
  let index = 0;
  let cut: Uint8Array = nothing;
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) snapshot = from.number();
    else if (from.field === 2) index = from.number();
    else if (from.field === 3) cut = from.kept();
    else from.skip();
  }
  from.leave(outer);
  return { kind: 'snapshot-cut', snapshot, index, cut };
}

function readSnapshotEnd(from: WireReader): MessageBody {
  let snapshot = 0;
  let cuts = 0;
  let sessions: Uint8Array = nothing;
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) snapshot = from.number();
    else if (from.field === 2) cuts = from.number();
    else if (from.field === 3) sessions = from.kept();
    else from.skip();
  }
  from.leave(outer);
  return { kind: 'snapshot-end', snapshot, cuts, sessions };
}

function readPosition(from: WireReader): Position {
  let ofEpoch = 0;
  let sequence = 0;
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) ofEpoch = from.number();
    else if (from.field === 2) sequence = from.number();
    else from.skip();
  }
  from.leave(outer);
  return { epoch: epoch(ofEpoch), sequence };
}

/** Fields that are numbers, by field. */
function readNumbers(from: WireReader): number[] {
  const numbers: number[] = [];
  const outer = from.enter();
  while (from.next()) {
    if (from.field < 16) numbers[from.field] = from.number();
    else from.skip();
  }
  from.leave(outer);
  return numbers;
}

/** The first field, bytes. */
function readBytes(from: WireReader): Uint8Array {
  let bytes: Uint8Array = nothing;
  const outer = from.enter();
  while (from.next()) {
    if (from.field === 1) bytes = from.view();
    else from.skip();
  }
  from.leave(outer);
  return bytes;
}

const nothing = new Uint8Array(0);
const nowhere: Position = { epoch: epoch(0), sequence: 0 };
