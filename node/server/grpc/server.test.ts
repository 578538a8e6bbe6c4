import { once } from 'node:events';
import { connect } from 'node:net';
import { credentials, status } from '@grpc/grpc-js';
import {
  type HealthCheckResponse,
  HealthClient,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@r-db/proto/generated/grpc/health/v1/health.ts';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionClient as V1,
} from '@r-db/proto/generated/grpc/reflection/v1/reflection.ts';
import { ServerReflectionClient as V1alpha } from '@r-db/proto/generated/grpc/reflection/v1alpha/reflection.ts';
import { GetRequest, type GetResponse } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Batches } from '../../replication/batches.ts';
import { indexDescriptors } from './descriptors.ts';
import { startGrpc } from './server.ts';
import { call, failureOf, type Harness, startHarness } from './testing/harness.ts';
import { MemoryEngine } from './testing/memory-engine.ts';

describe('the gRPC server', () => {
  let engine: MemoryEngine;
  let harness: Harness;

  beforeEach(async () => {
    engine = new MemoryEngine({ shards: 4 });
    engine.leadAll();
    harness = await startHarness(engine.asEngine(), 2);
  });

  afterEach(async () => {
    await harness[Symbol.asyncDispose]();
    expect(harness.faults).to.deep.equal([]);
  });

  const get = (): Promise<GetResponse> =>
    call(harness.keyValue, harness.keyValue.get, GetRequest.fromPartial({ key: Buffer.from('a') }));

  it('tells its health, and changes of it', async () => {
    const health = new HealthClient(harness.address, credentials.createInsecure());
    const check = (service: string): Promise<HealthCheckResponse> =>
      call(health, health.check, { service });
    expect((await check('')).status).to.equal(ServingStatus.SERVING);
    expect((await check('rdb.v1.KeyValue')).status).to.equal(ServingStatus.SERVING);
    expect(await failureOf(check('nonsense'))).to.include({ code: status.NOT_FOUND });
    const stream = health.watch({ service: 'rdb.v1.Cluster' });
    stream.on('error', () => undefined);
    const states = stream[Symbol.asyncIterator]() as AsyncIterator<HealthCheckResponse>;
    expect((await states.next()).value).to.deep.equal({ status: ServingStatus.SERVING });
    harness.server.setServing(false);
    expect((await states.next()).value).to.deep.equal({ status: ServingStatus.NOT_SERVING });
    expect((await check('')).status).to.equal(ServingStatus.NOT_SERVING);
    stream.cancel();
    health.close();
  });

  for (const [name, Client] of [
    ['v1', V1],
    ['v1alpha', V1alpha],
  ] as const) {
    it(`shows services and files by reflection ${name}`, async () => {
      const client = new Client(harness.address, credentials.createInsecure());
      const stream = client.serverReflectionInfo();
      const questions: ServerReflectionRequest['messageRequest'][] = [
        { $case: 'listServices', value: '*' },
        { $case: 'fileContainingSymbol', value: 'rdb.v1.KeyValue' },
        { $case: 'fileContainingSymbol', value: 'rdb.v1.KeyValue.Get' },
        { $case: 'fileByFilename', value: 'google/rpc/status.proto' },
        { $case: 'fileContainingSymbol', value: 'no.Such' },
        { $case: 'allExtensionNumbersOfType', value: 'rdb.v1.GetRequest' },
        { $case: 'fileContainingExtension', value: { containingType: 'x', extensionNumber: 1 } },
        undefined,
      ];
      for (const messageRequest of questions) stream.write({ host: 'h', messageRequest });
      stream.end();
      const answers: ServerReflectionResponse[] = [];
      for await (const answer of stream as AsyncIterable<ServerReflectionResponse>)
        answers.push(answer);
      const values = answers.map(({ messageResponse }) => messageResponse);
      expect(values.map((value) => value?.$case)).to.deep.equal([
        'listServicesResponse',
        'fileDescriptorResponse',
        'fileDescriptorResponse',
        'fileDescriptorResponse',
        'errorResponse',
        'allExtensionNumbersResponse',
        'errorResponse',
        'errorResponse',
      ]);
      expect(values[0]?.value).to.deep.equal({
        service: [
          'rdb.v1.KeyValue',
          'rdb.v1.Cluster',
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ].map((service) => ({ name: service })),
      });
      // What a generic client does: all files together declare everything that the service needs.
      const files =
        values[1]?.$case === 'fileDescriptorResponse' ? values[1].value.fileDescriptorProto : [];
      expect(files.length).to.equal(3); // key_value, common, errors
      const { fileOfSymbol } = indexDescriptors(setOf(files));
      for (const symbol of [
        'rdb.v1.SetRequest',
        'rdb.v1.ErrorReason',
        'rdb.v1.RequestId.session',
      ]) {
        expect(fileOfSymbol.has(symbol), symbol).to.equal(true);
      }
      client.close();
    });
  }

  it('closes connections above its maximum', async () => {
    await get();
    expect(harness.server.connections()).to.equal(1);
    const second = connect(harness.server.port, '127.0.0.1');
    await once(second, 'connect');
    const third = connect(harness.server.port, '127.0.0.1');
    await once(third, 'close');
    second.destroy();
    expect(await get()).to.include({ found: false });
  });

  it('ends calls that have no end of their own when it closes, and does not wait for the grace to pass', async () => {
    const health = new HealthClient(harness.address, credentials.createInsecure(), {
      channelOverride: harness.keyValue.getChannel(),
    });
    const ends = [
      health.watch({ service: '' }),
      harness.cluster.topology({}),
      harness.keyValue.stream(),
    ].map((stream) => {
      stream.on('error', () => undefined);
      stream.resume();
      return once(stream, 'end');
    });
    await get();
    const started = performance.now();
    await harness.server.close(60_000);
    await Promise.all(ends);
    expect(performance.now() - started).to.be.below(5_000);
  });

  it('outlives what is no HTTP/2', async () => {
    const socket = connect(harness.server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.end('*1\r\n$4\r\nPING\r\n');
    await once(socket, 'close');
    expect(await get()).to.include({ found: false });
  });

  it('rejects when the address cannot be had', async () => {
    let failure: NodeJS.ErrnoException | undefined;
    try {
      await startGrpc({
        engine: engine.asEngine(),
        clock: { nowMs: () => 0, monotonicMs: () => 0 },
        topology: { current: () => undefined, subscribe: () => () => undefined },
        identity: { cluster: 'c', node: 'n', incarnation: 'i', version: 'v' },
        figures: () => ({ uptimeMs: 0, connections: 0 }),
        batches: new Batches({ engine: engine.asEngine(), onGathered: () => undefined }),
        otherLeader: () => undefined,
        sessions: () => undefined,
        handOver: async () => undefined,
        onUnrecorded: () => undefined,
        host: '192.0.2.1',
        port: 0,
        connectionsMax: 1,
        onFault: () => undefined,
      });
    } catch (error) {
      failure = error as NodeJS.ErrnoException;
    }
    expect(failure?.code).to.equal('EADDRNOTAVAIL');
  });
});

/** A FileDescriptorSet of these files. */
function setOf(files: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    files.map((file) => {
      const prefix = [0x0a];
      for (let left = file.length; ; left >>>= 7) {
        prefix.push(left > 127 ? (left & 127) | 128 : left);
        if (left <= 127) break;
      }
      return Buffer.concat([Buffer.from(prefix), file]);
    }),
  );
}
