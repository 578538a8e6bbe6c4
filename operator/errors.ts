/**
 * Errors of the operator.
 *
 * | error | meaning | what happens |
 * | --- | --- | --- |
 * | ConfigurationError | a setting of the operator is unknown or invalid | the start stops, naming it |
 * | QueueFullError | more clusters than one operator is made for | the process ends |
 * | ApiError | the API server refused or did not answer | by its code: table in api.ts |
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';

  constructor(key: string) {
    super(`the work queue is full: ${key} can't be added; watch fewer namespaces`);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
