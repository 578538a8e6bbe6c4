/**
 * grpc-js refuses a message over `grpc.max_receive_message_length` by itself, before any handler: RESOURCE_EXHAUSTED,
 * as if trying again could help. Here it becomes what every other limit is: TOO_LARGE.
 */
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { operationError, toStatus } from './status.ts';

type Sent = Parameters<Parameters<ServerInterceptor>[1]['sendStatus']>[0];

/** It sends such a status through the call itself, past all responders: so the call is told how to send. */
export const tellTooLarge: ServerInterceptor = (_method, call) => {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (given) => send(isTooLarge(given) ? tooLarge(given.details) : given);
  return new ServerInterceptingCall(call);
};

/** Errors of ours carry details; grpc-js exhausts nothing else on the way in. */
function isTooLarge({ code, details, metadata }: Sent): boolean {
  return (
    code === status.RESOURCE_EXHAUSTED &&
    details?.startsWith('Received message') === true &&
    (metadata?.get('grpc-status-details-bin').length ?? 0) === 0
  );
}

function tooLarge(details: string | null | undefined): StatusObject {
  return toStatus(operationError('TOO_LARGE', details ?? 'the message is too large'));
}
