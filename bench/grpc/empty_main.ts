/**
 * A grpc-js server whose handlers do nothing: what gRPC itself costs in Node.js, to compare with.
 * Speaks `rdb.v1.KeyValue`, answers every Get with the same value, every operation of a batch alike.
 * Prints its port once it listens; ends with SIGTERM.
 */
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  type BatchRequest,
  BatchResponse,
  GetResponse,
  KeyValueService,
  OperationResult,
  type StreamRequest,
  StreamResponse,
} from '@r-db/proto/generated/rdb/v1/key_value.ts';

const answer = GetResponse.fromPartial({
  found: true,
  value: Buffer.alloc(16, 'v'),
  version: Buffer.alloc(8, 1),
});
const result = OperationResult.fromPartial({ outcome: { $case: 'get', value: answer } });

function batchOf(request: BatchRequest | undefined): BatchResponse {
  return BatchResponse.fromPartial({ results: request?.operations.map(() => result) ?? [] });
}

const implementation: UntypedServiceImplementation = {
  get: (_call: unknown, reply: (error: null, response: GetResponse) => void) => reply(null, answer),
  batch: (call: { request: BatchRequest }, reply: (error: null, it: BatchResponse) => void) =>
    reply(null, batchOf(call.request)),
  stream: (call: StreamCall) => {
    call.on('data', ({ batch, tag }: StreamRequest) => {
      call.write(StreamResponse.fromPartial({ batch: batchOf(batch), tag }));
    });
    call.on('end', () => call.end());
  },
};

interface StreamCall extends NodeJS.EventEmitter {
  write(response: StreamResponse): boolean;
  end(): void;
}

/** gRPC wants a handler for every method: those that nobody measures refuse. */
const unused = Object.fromEntries(
  Object.keys(KeyValueService).map((name) => [
    name,
    (_call: unknown, reply: (error: Error) => void) => reply(new Error(`${name} is not measured`)),
  ]),
);

const server = new Server();
server.addService(KeyValueService, { ...unused, ...implementation });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(`listening on ${port}`);
});
process.once('SIGTERM', () => server.forceShutdown());
