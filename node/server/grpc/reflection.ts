/**
 * gRPC reflection, v1 and v1alpha, from descriptors that are part of the program: nothing is read
 * from files, so that it works in a bundle too.
 */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { fileDescriptorSet } from '@r-db/proto/generated/descriptors.ts';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  type ServerReflectionServer,
  ServerReflectionService as ServiceV1,
} from '@r-db/proto/generated/grpc/reflection/v1/reflection.ts';
import { ServerReflectionService as ServiceV1alpha } from '@r-db/proto/generated/grpc/reflection/v1alpha/reflection.ts';
import { writeMessage } from './calls.ts';
import { type DescriptorIndex, indexDescriptors } from './descriptors.ts';

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;
type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

export { ServiceV1, ServiceV1alpha };

/** `services`: full names of those that the server has. */
export function reflectionService(services: readonly string[]): ServerReflectionServer {
  const index = indexDescriptors(Buffer.from(fileDescriptorSet, 'base64'));
  return {
    serverReflectionInfo: (call) => void answerAll(index, services, call),
  };
}

async function answerAll(
  index: DescriptorIndex,
  services: readonly string[],
  call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>,
): Promise<void> {
  try {
    for await (const request of call as AsyncIterable<ServerReflectionRequest>) {
      const messageResponse = answer(index, services, request.messageRequest);
      const response = { validHost: request.host, originalRequest: request, messageResponse };
      if (!(await writeMessage(call, response))) return;
    }
    call.end();
  } catch {
    // The client broke the stream off: nobody is left to tell.
    call.end();
  }
}

function answer(
  index: DescriptorIndex,
  services: readonly string[],
  question: Question | undefined,
): Answer {
  switch (question?.$case) {
    case 'listServices': {
      const service = services.map((name) => ({ name }));
      return { $case: 'listServicesResponse', value: { service } };
    }
    case 'fileByFilename':
      return files(index, question.value, question.value);
    case 'fileContainingSymbol':
      return files(index, index.fileOfSymbol.get(question.value), question.value);
    case 'allExtensionNumbersOfType':
      if (index.fileOfSymbol.has(question.value)) {
        const value = { baseTypeName: question.value, extensionNumber: [] };
        return { $case: 'allExtensionNumbersResponse', value };
      }
      return failed(status.NOT_FOUND, `there is no type ${question.value}`);
    case 'fileContainingExtension':
      return failed(status.NOT_FOUND, 'there are no extensions');
    case undefined:
      return failed(status.INVALID_ARGUMENT, 'message_request must be set');
  }
}

function files(index: DescriptorIndex, file: string | undefined, asked: string): Answer {
  const found = file === undefined ? undefined : index.withImports(file);
  if (found === undefined) return failed(status.NOT_FOUND, `there is no file or symbol ${asked}`);
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: found } };
}

function failed(errorCode: number, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
