/**
 * A reply of MGET that is longer than the output window. All values are taken in one read section
 * (short ones copied, long ones held), so that together they are one moment's; then they go out piece
 * by piece, in as many calls as it takes. The command counts as consumed with the last piece.
 *
 * A list of pieces: u32 count, u32 next, then (u32 blob, u32 length) for each; blob 0: null.
 */
import { COPIED_VALUE_BYTES_MAX, STOP_OUTPUT_FULL } from '../generated/constants';
import { argumentAt, argumentLength } from '../commands/names';
import { lookUp, PROCEED, replyPinned } from '../commands/access';
import { KIND_BUFFERS, textScratch, Thread } from '../layout';
import { allocate, free } from '../memory/allocator';
import { copyBytes } from '../memory/bytes';
import { hashKey } from '../memory/hash';
import {
  blobOf,
  dropBlob,
  FORM_POINTER,
  formOf,
  holdBlob,
  makeBlob,
  valueBytes,
  valueLength,
} from '../twin/record';
import { Side } from '../twin/directory';
import { Shard } from '../twin/shard';
import { Connection, connectionOf } from './parse';
import { replyNull, writeArrayHeader, writeBulk } from './reply';

const HEADER_BYTES: u32 = 8;

/** Takes the values of arguments 1 and on; false: no memory, nothing is held. */
export function makePieces(thread: Thread, shard: Shard, side: Side): bool {
  const count = thread.argc - 1;
  const list = allocate(thread, HEADER_BYTES + (count << 3), KIND_BUFFERS, false);
  if (list == 0) return false;
  store<u32>(list, count);
  store<u32>(list, 0, 4);
  const connection = connectionOf(thread);
  for (let index: u32 = 0; index < count; index++) {
    const key = argumentAt(thread, index + 1);
    const length = argumentLength(thread, index + 1);
    const record = lookUp(thread, shard, side, hashKey(key, length), key, length);
    const piece = list + HEADER_BYTES + (<usize>index << 3);
    store<u64>(piece, 0);
    if (record == 0) continue;
    const bytes = valueLength(record, textScratch(thread));
    let blob: usize;
    if (formOf(record) == FORM_POINTER) {
      blob = blobOf(record);
      holdBlob(blob);
    } else {
      blob = makeBlob(thread, bytes, KIND_BUFFERS);
      if (blob == 0) {
        drop(thread, list, 0, index);
        return false;
      }
      copyBytes(blob, valueBytes(record, textScratch(thread)), bytes);
    }
    store<u32>(piece, <u32>blob);
    store<u32>(piece, bytes, 4);
  }
  connection.pieces = <u32>list;
  connection.piecesCommandBytes = thread.next - thread.position;
  return true;
}

/** Sends what fits. PROCEED: all is sent, and the command is over. */
export function sendPieces(thread: Thread): i32 {
  const connection = connectionOf(thread);
  const list = <usize>connection.pieces;
  const count = load<u32>(list);
  let index = load<u32>(list, 4);
  if (index == 0) thread.out += writeArrayHeader(thread.out, count);
  for (; index < count; index++) {
    const piece = list + HEADER_BYTES + (<usize>index << 3);
    const blob = load<u32>(piece);
    const length = load<u32>(piece, 4);
    const copied = blob == 0 || length <= COPIED_VALUE_BYTES_MAX;
    if (thread.out + (copied ? length : 0) + 64 > thread.outLimit) {
      store<u32>(list, index, 4);
      return STOP_OUTPUT_FULL;
    }
    if (!copied) {
      // The hold goes over to JavaScript.
      store<u32>(list, index + 1, 4);
      return replyPinned(thread, blob, length);
    }
    if (blob == 0) {
      replyNull(thread);
    } else {
      thread.out += writeBulk(thread.out, blob, length);
      dropBlob(thread, blob);
    }
  }
  connection.pieces = 0;
  free(thread, list, HEADER_BYTES + (count << 3), KIND_BUFFERS);
  return PROCEED;
}

/** The connection closes, or the command must run again: lets go of what was not sent. */
export function dropPieces(thread: Thread, connection: Connection): void {
  const list = <usize>connection.pieces;
  if (list == 0) return;
  connection.pieces = 0;
  drop(thread, list, load<u32>(list, 4), load<u32>(list));
}

function drop(thread: Thread, list: usize, from: u32, to: u32): void {
  for (let index = from; index < to; index++) {
    const blob = load<u32>(list + HEADER_BYTES + (<usize>index << 3));
    if (blob != 0) dropBlob(thread, blob);
  }
  free(thread, list, HEADER_BYTES + (load<u32>(list) << 3), KIND_BUFFERS);
}
