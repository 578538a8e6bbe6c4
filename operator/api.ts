/** What the operator needs of the API server: objects as plain JSON, errors by what they mean. */
import type { Resource } from '@r-db/kubernetes/resources.ts';
import type { KubernetesObject, ObjectKey } from './objects.ts';

/**
 * | code | meaning | what the operator does |
 * | --- | --- | --- |
 * | AlreadyExists | somebody was faster, or a cache is old | reads the object, adopts it only if it is its own |
 * | Conflict | the object has changed since it was read | starts again from what is there now |
 * | NotFound | it is gone by now | starts again |
 * | Forbidden | a permission is missing | tells it in a condition, tries again with backoff |
 * | Invalid | the object is refused | tells it in a condition, tries again with backoff |
 * | TooManyRequests, Unavailable, Timeout | it may work later | tries again with backoff |
 */
export type ApiErrorCode =
  | 'AlreadyExists'
  | 'Conflict'
  | 'NotFound'
  | 'Forbidden'
  | 'Invalid'
  | 'TooManyRequests'
  | 'Unavailable'
  | 'Timeout';

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;

  constructor(code: ApiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Preconditions {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** Every method throws ApiError. */
export interface ObjectApi {
  /** What the server holds now, not a cache. */
  get(resource: Resource, key: ObjectKey): Promise<KubernetesObject | undefined>;
  create(resource: Resource, object: KubernetesObject): Promise<KubernetesObject>;
  /** With the object's resourceVersion as precondition. */
  replace(
    resource: Resource,
    object: KubernetesObject,
    subresource?: 'status',
  ): Promise<KubernetesObject>;
  delete(resource: Resource, key: ObjectKey, preconditions: Preconditions): Promise<void>;
}

/** What is known of the API server's objects: caches in the operator, the server itself in tests. */
export interface View {
  get(resource: Resource, key: ObjectKey): Promise<KubernetesObject | undefined>;
  /** Objects of one namespace with the label `rdb.dev/cluster`. */
  ofCluster(resource: Resource, cluster: ObjectKey): Promise<readonly KubernetesObject[]>;
  /** Zone of a Kubernetes node, if it is known and may be read. */
  zoneOf(host: string): Promise<string | undefined>;
}

export function isApiError(error: unknown, ...codes: readonly ApiErrorCode[]): error is ApiError {
  return error instanceof ApiError && (codes.length === 0 || codes.includes(error.code));
}

/** Runs tasks with at most `atOnce` under way; after the first failure no more are begun. */
export async function eachBounded<T>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      if (failures.length > 0) return;
      try {
        await run(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
