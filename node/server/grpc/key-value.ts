/** The service rdb.v1.KeyValue. Every kind of call ends in `runBatch`, but for Scan. */
import type { handleUnaryCall, ServerDuplexStream } from '@grpc/grpc-js';
import { Acknowledge, Consistency } from '@r-db/proto/generated/rdb/v1/common.ts';
import type { OperationError } from '@r-db/proto/generated/rdb/v1/errors.ts';
import type {
  BatchRequest,
  KeyValueServer,
  OperationResult,
  StreamRequest,
  StreamResponse,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { runBatch } from './batch.ts';
import { CallError, endWith, patienceOf, unary, writeMessage } from './calls.ts';
import type { GrpcContext } from './context.ts';
import { PARK_MS_MAX } from './limits.ts';
import type { RequestCase } from './operations.ts';
import { runScan } from './scan.ts';
import { operationError, unimplemented } from './status.ts';

type Case = RequestCase['$case'];
type RequestOf<C extends Case> = Extract<RequestCase, { $case: C }>['value'];
type ResponseOf<C extends Case> = Extract<
  NonNullable<OperationResult['outcome']>,
  { $case: C }
>['value'];

const DEFAULTS = {
  consistency: Consistency.UNSPECIFIED,
  acknowledge: Acknowledge.UNSPECIFIED,
  requestId: undefined,
};

export function keyValueService(
  context: GrpcContext,
  onFault: (fault: unknown) => void,
): KeyValueServer {
  function single<C extends Case>($case: C): handleUnaryCall<RequestOf<C>, ResponseOf<C>> {
    return unary(async (call) => {
      const request = { $case, value: call.request } as RequestCase;
      const results = await runBatch(
        context,
        { operations: [{ request }], ...DEFAULTS },
        patienceOf(call, context.clock),
      );
      return singleAnswer($case, results);
    }, onFault);
  }
  return {
    get: single('get'),
    set: single('set'),
    delete: single('delete'),
    increment: single('increment'),
    append: single('append'),
    touch: single('touch'),
    batch: unary(async (call) => {
      const results = await runBatch(context, call.request, patienceOf(call, context.clock));
      if (!Array.isArray(results)) throw new CallError(results);
      return { results };
    }, onFault),
    stream: (call) => {
      runStream(context, call).catch((error: unknown) => endWith(call, error, onFault));
    },
    scan: (call) => {
      runScan(context, call).then(
        () => call.end(),
        (error: unknown) => endWith(call, error, onFault),
      );
    },
    watch: (call) => {
      call.emit('error', unimplemented('KeyValue.Watch'));
    },
  };
}

/**
 * Answers in order; reads the next batch only when the last answer was taken. When the node drains, the batch
 * that runs is answered, then the stream ends; batches read by nobody were not executed.
 */
async function runStream(
  context: GrpcContext,
  call: ServerDuplexStream<StreamRequest, StreamResponse>,
): Promise<void> {
  const { closing, clock } = context;
  const requests = (call as AsyncIterable<StreamRequest>)[Symbol.asyncIterator]();
  const closed = abortOf(closing);
  try {
    while (!closing.aborted) {
      const next = await Promise.race([requests.next(), closed.promise]);
      if (next === undefined || next.done) break;
      const { tag, batch, timeoutMs } = next.value;
      const answer = await streamAnswer(context, batch, {
        deadlineMs: clock.monotonicMs() + (timeoutMs ?? PARK_MS_MAX),
        cancelled: () => call.cancelled,
      });
      if (!(await writeMessage(call, { ...answer, tag }))) return;
    }
    call.end();
  } finally {
    closed.forget();
  }
}

/** Resolves when the signal aborts; `forget` lets go of it. */
function abortOf(signal: AbortSignal): { promise: Promise<undefined>; forget: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  signal.addEventListener('abort', onAbort);
  return { promise, forget: () => signal.removeEventListener('abort', onAbort) };
}

async function streamAnswer(
  context: GrpcContext,
  batch: BatchRequest | undefined,
  patience: Parameters<typeof runBatch>[2],
): Promise<Omit<StreamResponse, 'tag'>> {
  if (batch === undefined) {
    return { batch: undefined, error: operationError('INVALID', 'batch must be set') };
  }
  const results = await runBatch(context, batch, patience);
  return Array.isArray(results)
    ? { batch: { results }, error: undefined }
    : { batch: undefined, error: results };
}

function singleAnswer<C extends Case>(
  $case: C,
  results: OperationResult[] | OperationError,
): ResponseOf<C> {
  if (!Array.isArray(results)) throw new CallError(results);
  const outcome = results[0]?.outcome;
  if (outcome?.$case === 'error') throw new CallError(outcome.value);
  if (outcome?.$case !== $case) throw new Error(`a ${$case} was answered by ${outcome?.$case}`);
  return outcome.value as ResponseOf<C>;
}
