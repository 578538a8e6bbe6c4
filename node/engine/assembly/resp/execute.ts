/**
 * One call for one chunk: parses, executes and answers as many commands as there are.
 *
 * The whole call is one read section and, for each shard that it writes to, one batch; both end
 * before it returns, and in between whenever the thread has to wait. Until a publication nobody has
 * seen anything of the batch, so if a leadership ends meanwhile the call goes back to where it last
 * published and executes the commands again, which then find the new state of things.
 */
import {
  ARGUMENTS_INLINE_MAX,
  CMD_APPEND,
  CMD_DECR,
  CMD_DECRBY,
  CMD_DEL,
  CMD_ECHO,
  CMD_EXISTS,
  CMD_EXPIRE,
  CMD_GET,
  CMD_INCR,
  CMD_INCRBY,
  CMD_MGET,
  CMD_MSET,
  CMD_PERSIST,
  CMD_PEXPIRE,
  CMD_PING,
  CMD_PTTL,
  CMD_SET,
  CMD_SETNX,
  CMD_STRLEN,
  CMD_TTL,
  CMD_TYPE,
  MESSAGE_COMMAND_END,
  MESSAGE_COMMAND_END_LENGTH,
  MESSAGE_WRONG_ARITY,
  MESSAGE_WRONG_ARITY_LENGTH,
  NAME_GET,
  NAME_SET,
  OUTPUT_WINDOW_BYTES,
  PARK_BUSY,
  PARK_FROZEN,
  PARK_NOT_SERVING,
  STOP_CALL,
  STOP_DONE,
  STOP_INCOMPLETE,
  STOP_LONG_VALUE,
  STOP_OUTPUT_FULL,
  STOP_PARK,
  STOP_PROTOCOL_ERROR,
} from '../generated/constants';
import { failed, PROCEED, REPLIED, WAIT_FROZEN, WAIT_SERVING, WAIT_WRITER } from '../commands/access';
import { echo, ping } from '../commands/connection';
import { increment, incrementBy } from '../commands/counters';
import { expire, persist, timeToLive } from '../commands/expiry';
import { countKeys, deleteKeys, typeOfKey } from '../commands/keys';
import { argumentAt, argumentLength, findCommand, lettersOf } from '../commands/names';
import { set, setPlain } from '../commands/set';
import { append, get, multiGet, multiSet, setIfAbsent, stringLength } from '../commands/strings';
import { awaitShard } from '../control';
import { counterOf, outputWindow, Thread } from '../layout';
import { dropBlob } from '../twin/record';
import { enterSection, leaveSection } from '../twin/sections';
import { idOfShard, Shard, STATE_SWAPPED } from '../twin/shard';
import { hasRoomToReport } from '../twin/gather';
import { BUSY, FROZEN, LOCKED, openWaiting, publishHeld, shouldPublish } from '../twin/twin';
import { connectionOf, dropArguments, INCOMPLETE, NOTHING, parse, PARSED } from './parse';
import { dropPieces, sendPieces } from './pieces';
import { replyCommandName, replyText } from './reply';
import { executeRun, mayRun, REPLY_ROOM } from './run';

/** The call published on the way and goes on. */
const PUBLISH: i32 = 110;

/** Time of a call, for expiry and access bits. */
export function setTime(thread: Thread, nowMs: f64, monotonicMs: f64): void {
  thread.nowMs = <i64>nowMs;
  thread.monotonicMs = monotonicMs;
  // Steps of about 8 s: 24 bits last four years.
  thread.accessClock = <u32>(thread.nowMs >> 13) & 0xffffff;
}

export function executeChunk(
  thread: Thread,
  connection: u32,
  start: u32,
  end: u32,
  outputStart: u32,
): i32 {
  const window = <u32>outputWindow(thread);
  thread.connection = connection;
  thread.base = start;
  thread.position = start;
  thread.end = end;
  thread.out = window + outputStart;
  thread.outLimit = window + OUTPUT_WINDOW_BYTES;
  thread.needed = 0;
  thread.armed = 0;
  thread.committedPosition = start;
  thread.committedOut = thread.out;
  thread.gathered = 0;
  thread.careful = connectionOf(thread).unresolved;
  thread.commands = 0;
  thread.committedCommands = 0;
  const stop = runToStop(thread);
  if (thread.gathered != 0) connectionOf(thread).unresolved = 1;
  if (thread.argvCapacity > ARGUMENTS_INLINE_MAX && stop != STOP_CALL) dropArguments(thread);
  thread.consumed = thread.position;
  thread.outputEnd = thread.out - window;
  return stop;
}

function runToStop(thread: Thread): i32 {
  while (true) {
    enterSection(thread);
    const stop = run(thread);
    leaveSection(thread);
    if (!publishHeld(thread)) {
      takeBack(thread, stop);
      continue;
    }
    setCommitted(thread);
    const waits = stop == WAIT_WRITER || stop == WAIT_FROZEN || stop == WAIT_SERVING;
    if (!waits && stop != PUBLISH) return stop;
    // What more it gathers could not be told.
    if (!hasRoomToReport(thread)) return STOP_OUTPUT_FULL;
    if (stop == PUBLISH) continue;
    if (!waitFor(thread, stop)) return STOP_PARK;
  }
}

/** What was answered up to here has happened. */
// @ts-ignore: decorator
@inline
function setCommitted(thread: Thread): void {
  thread.committedPosition = thread.position;
  thread.committedOut = thread.out;
  thread.committedCommands = thread.commands;
}

/** Nothing of what was answered since the last publication has happened. */
function takeBack(thread: Thread, stop: i32): void {
  // A pin that JavaScript will never hear of.
  if (stop == STOP_LONG_VALUE) dropBlob(thread, thread.address);
  dropPieces(thread, connectionOf(thread));
  thread.position = thread.committedPosition;
  thread.out = thread.committedOut;
  thread.commands = thread.committedCommands;
}

/** Outside of any section and holding nothing. True: try the command again; false: park. */
function waitFor(thread: Thread, stop: i32): bool {
  const shard = changetype<Shard>(<usize>thread.shardAddress);
  thread.shard = idOfShard(shard);
  thread.draining = 0;
  if (stop == WAIT_WRITER) {
    const opened = openWaiting(thread, shard);
    if (opened == LOCKED) return true;
    thread.reason =
      opened == BUSY ? PARK_BUSY : opened == FROZEN ? PARK_FROZEN : PARK_NOT_SERVING;
    thread.draining = shard.state == STATE_SWAPPED ? 1 : 0;
  } else {
    thread.reason = stop == WAIT_FROZEN ? PARK_FROZEN : PARK_NOT_SERVING;
  }
  // Ask to be woken first, then look once more: a change in between is not missed.
  if (thread.armed == thread.shardAddress) return false;
  thread.armed = thread.shardAddress;
  thread.seen = awaitShard(shard, thread.reason == PARK_BUSY);
  return true;
}

/** Executes commands until one has to stop. */
function run(thread: Thread): i32 {
  if (connectionOf(thread).pieces != 0) {
    const stop = finishPieces(thread);
    if (stop != PROCEED) return stop;
    // What an earlier call read is answered; a take-back must not run it again.
    setCommitted(thread);
  }
  while (thread.position < thread.end) {
    if (thread.out + REPLY_ROOM > thread.outLimit) return STOP_OUTPUT_FULL;
    if (mayRun(thread) && executeRun(thread)) {
      if (shouldPublish(thread)) return PUBLISH;
      continue;
    }
    const parsed = parse(thread);
    if (parsed != PARSED) {
      if (parsed == NOTHING) {
        thread.position = thread.next;
        continue;
      }
      if (parsed == INCOMPLETE) return STOP_INCOMPLETE;
      thread.position = thread.end;
      return STOP_PROTOCOL_ERROR;
    }
    thread.errors = 0;
    const stop = dispatch(thread);
    if (stop != PROCEED && stop != REPLIED) {
      if (stop == STOP_CALL || stop == STOP_LONG_VALUE) {
        count(thread);
        thread.position = thread.next;
      }
      return stop;
    }
    if (connectionOf(thread).pieces != 0) {
      const sent = finishPieces(thread);
      if (sent != PROCEED) return sent;
      continue;
    }
    count(thread);
    thread.position = thread.next;
    if (shouldPublish(thread)) return PUBLISH;
  }
  return STOP_DONE;
}

/** Goes on with a reply in pieces; the command's bytes are consumed with the last one. */
function finishPieces(thread: Thread): i32 {
  const connection = connectionOf(thread);
  const bytes = connection.piecesCommandBytes;
  const stop = sendPieces(thread);
  if (stop != PROCEED) return stop;
  thread.position += bytes;
  thread.command = CMD_MGET;
  thread.errors = 0;
  count(thread);
  return PROCEED;
}

// @ts-ignore: decorator
@inline
function count(thread: Thread): void {
  thread.commands++;
  if (thread.command < 0) return;
  const counter = counterOf(thread, thread.command);
  store<u64>(counter, load<u64>(counter) + 1);
  if (thread.errors != 0) store<u64>(counter, load<u64>(counter, 8) + 1, 8);
}

function dispatch(thread: Thread): i32 {
  const length = argumentLength(thread, 0);
  if (length == 3) {
    const name = lettersOf(argumentAt(thread, 0), 3);
    if (name == NAME_GET && thread.argc == 2) {
      thread.command = CMD_GET;
      return get(thread);
    }
    if (name == NAME_SET && thread.argc == 3) {
      thread.command = CMD_SET;
      return setPlain(thread);
    }
  }
  const entry = findCommand(thread);
  if (entry == 0) {
    thread.command = -1;
    return STOP_CALL;
  }
  thread.command = <i32>load<u16>(entry, 16) - 1;
  const arity = <i32>load<i16>(entry, 18);
  if (arity >= 0 ? <i32>thread.argc != arity : <i32>thread.argc < -arity) {
    replyText(thread, MESSAGE_WRONG_ARITY, MESSAGE_WRONG_ARITY_LENGTH);
    replyCommandName(thread, thread.command);
    replyText(thread, MESSAGE_COMMAND_END, MESSAGE_COMMAND_END_LENGTH);
    return failed(thread);
  }
  if (load<u32>(entry, 20) == 0) return STOP_CALL;
  return runCommand(thread);
}

function runCommand(thread: Thread): i32 {
  switch (thread.command) {
    case CMD_GET:
      return get(thread);
    case CMD_SET:
      return set(thread);
    case CMD_SETNX:
      return setIfAbsent(thread);
    case CMD_MGET:
      return multiGet(thread);
    case CMD_MSET:
      return multiSet(thread);
    case CMD_DEL:
      return deleteKeys(thread);
    case CMD_EXISTS:
      return countKeys(thread);
    case CMD_INCR:
      return increment(thread, 1);
    case CMD_DECR:
      return increment(thread, -1);
    case CMD_INCRBY:
      return incrementBy(thread, 1);
    case CMD_DECRBY:
      return incrementBy(thread, -1);
    case CMD_APPEND:
      return append(thread);
    case CMD_STRLEN:
      return stringLength(thread);
    case CMD_EXPIRE:
      return expire(thread, 1000);
    case CMD_PEXPIRE:
      return expire(thread, 1);
    case CMD_TTL:
      return timeToLive(thread, true);
    case CMD_PTTL:
      return timeToLive(thread, false);
    case CMD_PERSIST:
      return persist(thread);
    case CMD_TYPE:
      return typeOfKey(thread);
    case CMD_PING:
      return ping(thread);
    case CMD_ECHO:
      return echo(thread);
  }
  // A row of the table says `engine` and nothing here runs it: the build is wrong.
  unreachable();
  return PROCEED;
}
