/** What all kinds of calls share: deadlines, cancelling, errors, writing with flow control. */
import {
  type handleUnaryCall,
  Metadata,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type { Patience } from './batch.ts';
import type { Clock } from './context.ts';
import { serviceError, toServiceError } from './status.ts';

/**
 * So long before the deadline a call that waits is answered "not done", while the answer still arrives in time: a fifth
 * of the time that is left, within these bounds. Less, and a busy machine's answers come too late.
 */
const ANSWER_AHEAD_MS = { least: 10, most: 100 };

interface Call {
  readonly cancelled: boolean;
  getDeadline(): Date | number;
}

export function patienceOf(call: Call, clock: Clock): Patience {
  const leftMs = Number(call.getDeadline()) - Date.now();
  const aheadMs = Math.min(ANSWER_AHEAD_MS.most, Math.max(ANSWER_AHEAD_MS.least, leftMs / 5));
  return {
    deadlineMs: clock.monotonicMs() + leftMs - aheadMs,
    cancelled: () => call.cancelled,
  };
}

/** Makes a unary handler of an async function. An error that is none of ours is a fault of the server: INTERNAL. */
export function unary<Request, Response>(
  handle: (call: ServerUnaryCall<Request, Response>) => Promise<Response>,
  onFault: (fault: unknown) => void,
): handleUnaryCall<Request, Response> {
  return (call, callback: sendUnaryData<Response>) => {
    handle(call).then(
      (response) => callback(null, response),
      (error: unknown) => callback(asServiceError(error, onFault)),
    );
  };
}

/** Thrown by handlers: ends the call with this error. */
export class CallError extends Error {
  readonly error: OperationError;

  constructor(error: OperationError) {
    super(error.message);
    this.error = error;
  }
}

/** Ends a streaming call with an error. */
export function endWith(
  call: { emit(event: 'error', error: Error): unknown; readonly cancelled: boolean },
  error: unknown,
  onFault: (fault: unknown) => void,
): void {
  if (!call.cancelled) call.emit('error', asServiceError(error, onFault));
}

/** The side of a call that messages are written to. */
interface Writable<Response> {
  readonly cancelled: boolean;
  write(message: Response): boolean;
  once(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Writes a message and waits until the client takes more. False: nobody is there any more. */
export async function writeMessage<Response>(
  call: Writable<Response>,
  message: Response,
): Promise<boolean> {
  if (call.cancelled) return false;
  if (call.write(message)) return true;
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      for (const event of ['drain', 'cancelled', 'close']) call.off(event, settle);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'close']) call.once(event, settle);
  });
  return !call.cancelled;
}

function asServiceError(error: unknown, onFault: (fault: unknown) => void): Error {
  if (error instanceof CallError) return toServiceError(error.error);
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') return error;
  onFault(error);
  return serviceError({
    code: status.INTERNAL,
    details: 'a fault of the server; its log has the details',
    metadata: new Metadata(),
  });
}
