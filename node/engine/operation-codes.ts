/** Numbers of kinds and statuses of typed operations between JavaScript and WebAssembly: the index. */
import type { Operation, OperationStatus } from './types.ts';

export const operationKinds: readonly Operation['kind'][] = [
  'get',
  'set',
  'delete',
  'increment',
  'append',
  'touch',
];

export const operationStatuses: readonly OperationStatus[] = [
  'ok',
  'not-found',
  'condition-failed',
  'version-mismatch',
  'not-an-integer',
  'overflow',
  'out-of-memory',
  'too-large',
  'not-leader',
  'park',
  'not-enough-in-sync',
];
