/** PING and ECHO. */
import {
  COPIED_VALUE_BYTES_MAX,
  MESSAGE_COMMAND_END,
  MESSAGE_COMMAND_END_LENGTH,
  MESSAGE_PONG,
  MESSAGE_PONG_LENGTH,
  MESSAGE_WRONG_ARITY,
  MESSAGE_WRONG_ARITY_LENGTH,
  STOP_OUTPUT_FULL,
} from '../generated/constants';
import { KIND_BUFFERS, Thread } from '../layout';
import { copyBytes } from '../memory/bytes';
import { replyCommandName, replyText, writeBulk } from '../resp/reply';
import { makeBlob } from '../twin/record';
import { failed, failOutOfMemory, PROCEED, replyPinned } from './access';
import { argumentAt, argumentLength } from './names';

export function ping(thread: Thread): i32 {
  if (thread.argc == 1) {
    replyText(thread, MESSAGE_PONG, MESSAGE_PONG_LENGTH);
    return PROCEED;
  }
  if (thread.argc == 2) return echo(thread);
  replyText(thread, MESSAGE_WRONG_ARITY, MESSAGE_WRONG_ARITY_LENGTH);
  replyCommandName(thread, thread.command);
  replyText(thread, MESSAGE_COMMAND_END, MESSAGE_COMMAND_END_LENGTH);
  return failed(thread);
}

export function echo(thread: Thread): i32 {
  const from = argumentAt(thread, 1);
  const length = argumentLength(thread, 1);
  if (length > COPIED_VALUE_BYTES_MAX) {
    const blob = makeBlob(thread, length, KIND_BUFFERS);
    if (blob == 0) return failOutOfMemory(thread);
    copyBytes(blob, from, length);
    return replyPinned(thread, blob, length);
  }
  if (thread.out + length + 64 > thread.outLimit) return STOP_OUTPUT_FULL;
  thread.out += writeBulk(thread.out, from, length);
  return PROCEED;
}
