/** Calls of `rdb.v1.KeyValue` whose answers are checked. */
import { credentials } from '@grpc/grpc-js';
import {
  type BatchRequest,
  BatchRequest as BatchRequests,
  type BatchResponse,
  GetRequest,
  type GetResponse,
  KeyValueClient,
  type Operation,
  StreamRequest,
  type StreamResponse,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { WrongAnswerError } from '../errors.ts';

/** Whether answers hold the values stored (r_db) or any value (a server that does nothing). */
export type Truth = 'stored' | 'anything';

export interface Caller extends Disposable {
  /** Stores `keys` numbered keys, in batches. */
  store(keys: number): Promise<void>;
  /** Reads one key. */
  get(number: number): Promise<void>;
  /** Reads many keys in one call. */
  batch(numbers: readonly number[]): Promise<void>;
  /** Reads many keys in one message of a stream that stays open. */
  stream(numbers: readonly number[]): Promise<void>;
}

const storeBatch = 1024;
const storedKey = (number: number): Buffer =>
  Buffer.from(`key:${String(number).padStart(12, '0')}`, 'latin1');
const storedValue = (number: number): Buffer =>
  Buffer.from(`${String(number).padStart(12, '0')}:val`, 'latin1');

export function openCaller(port: number, truth: Truth): Caller {
  const client = new KeyValueClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
  const check = (response: GetResponse | undefined, number: number): void => {
    if (response?.found === true && truth === 'anything') return;
    if (response?.found === true && Buffer.compare(response.value, storedValue(number)) === 0)
      return;
    const got = JSON.stringify(response, (_name, value) => String(value));
    throw new WrongAnswerError(`wrong answer to Get ${storedKey(number).toString()}: ${got}`);
  };
  const checkBatch = (response: BatchResponse | undefined, numbers: readonly number[]): void => {
    const results = response?.results ?? [];
    if (results.length !== numbers.length) {
      throw new WrongAnswerError(`${results.length} results for ${numbers.length} operations`);
    }
    for (const [index, number] of numbers.entries()) {
      const outcome = results[index]?.outcome;
      check(outcome?.$case === 'get' ? outcome.value : undefined, number);
    }
  };
  const callBatch = (request: BatchRequest): Promise<BatchResponse> =>
    new Promise((resolve, reject) => {
      client.batch(request, (error, response) => (error ? reject(error) : resolve(response)));
    });
  const streamed = openStream(client);

  return {
    async store(keys) {
      for (let from = 0; from < keys; from += storeBatch) {
        const numbers = Array.from(
          { length: Math.min(storeBatch, keys - from) },
          (_, index) => from + index,
        );
        const { results } = await callBatch(
          BatchRequests.fromPartial({ operations: numbers.map(setOf) }),
        );
        const failed = results.find(({ outcome }) => outcome?.$case !== 'set');
        if (failed !== undefined || results.length !== numbers.length) {
          throw new WrongAnswerError(`storing failed: ${JSON.stringify(failed?.outcome)}`);
        }
      }
    },
    get: (number) =>
      new Promise((resolve, reject) => {
        client.get(GetRequest.fromPartial({ key: storedKey(number) }), (error, response) => {
          if (error) return reject(error);
          try {
            resolve(check(response, number));
          } catch (wrong) {
            reject(wrong);
          }
        });
      }),
    batch: async (numbers) => checkBatch(await callBatch(readsOf(numbers)), numbers),
    stream: async (numbers) => checkBatch((await streamed.send(readsOf(numbers))).batch, numbers),
    [Symbol.dispose]() {
      streamed.end();
      client.close();
    },
  };
}

function setOf(number: number): Operation {
  const request = { key: storedKey(number), value: storedValue(number) };
  return { request: { $case: 'set', value: { ...emptySet, ...request } } };
}

const emptySet = {
  expiry: undefined,
  condition: 0,
  ifVersion: undefined,
  acknowledge: 0,
  requestId: undefined,
} as const;

function readsOf(numbers: readonly number[]): BatchRequest {
  const operations = numbers.map((number) => ({
    request: { $case: 'get' as const, value: GetRequest.fromPartial({ key: storedKey(number) }) },
  }));
  return { operations, consistency: 0, acknowledge: 0, requestId: undefined };
}

/** One stream, opened with the first batch; answers come in the order of the batches. */
function openStream(client: KeyValueClient) {
  let call: ReturnType<KeyValueClient['stream']> | undefined;
  let tag = 0n;
  let failure: Error | undefined;
  const waiting: { resolve(it: StreamResponse): void; reject(error: Error): void; tag: bigint }[] =
    [];
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  const open = (): ReturnType<KeyValueClient['stream']> => {
    const opened = client.stream();
    opened.on('data', (response: StreamResponse) => {
      const first = waiting.shift();
      if (first?.tag === response.tag) first.resolve(response);
      else fail(new WrongAnswerError(`tag ${response.tag} came where ${first?.tag} was due`));
    });
    opened.on('error', fail);
    opened.on('end', () => fail(new WrongAnswerError('the server ended the stream')));
    return opened;
  };
  return {
    send(batch: BatchRequest): Promise<StreamResponse> {
      call ??= open();
      return new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        waiting.push({ resolve, reject, tag });
        call?.write(StreamRequest.fromPartial({ batch, tag: tag++ }));
      });
    },
    end(): void {
      call?.removeAllListeners('end');
      call?.end();
    },
  };
}
