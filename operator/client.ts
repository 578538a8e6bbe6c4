/** `ObjectApi` and `LeaseAdmin` over a real API server. */
import type { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { isAlreadyExists, KubernetesError } from '@r-db/kubernetes/errors.ts';
import { apiVersionOf, type Resource } from '@r-db/kubernetes/resources.ts';
import { ApiError, type ApiErrorCode, type ObjectApi } from './api.ts';
import { messageOf } from './errors.ts';
import { limits } from './limits.ts';
import type { KubernetesObject } from './objects.ts';

const timeoutMs = limits.requestTimeoutMs;

export function objectApi(client: KubernetesClient): ObjectApi {
  return {
    get: (resource, key) =>
      classified(() =>
        client.get<KubernetesObject>(resource, placeOf(resource, key), { timeoutMs }),
      ),
    create: (resource, object) =>
      classified(() => client.create(resource, typed(resource, object), { timeoutMs })),
    replace: (resource, object, subresource) =>
      classified(() =>
        client.replace(resource, typed(resource, object), {
          timeoutMs,
          ...(subresource === undefined ? {} : { subresource }),
        }),
      ),
    delete: (resource, key, { uid, resourceVersion }) =>
      classified(() =>
        client.delete(resource, placeOf(resource, key), { uid, resourceVersion, timeoutMs }),
      ),
  };
}

/** Throws ApiError in place of whatever a request threw. */
async function classified<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw new ApiError(codeOf(error), messageOf(error), { cause: error });
  }
}

export function codeOf(error: unknown): ApiErrorCode {
  if (!(error instanceof KubernetesError)) return 'Unavailable';
  if (isAlreadyExists(error)) return 'AlreadyExists';
  if (error.reason === 'Timeout' || error.reason === 'Aborted') return 'Timeout';
  const byStatus: Readonly<Record<number, ApiErrorCode>> = {
    400: 'Invalid',
    401: 'Forbidden',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    413: 'Invalid',
    422: 'Invalid',
    429: 'TooManyRequests',
  };
  return byStatus[error.status ?? 0] ?? 'Unavailable';
}

/** Lists hand out objects without their kind. */
function typed(resource: Resource, object: KubernetesObject): KubernetesObject {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}

function placeOf(resource: Resource, { namespace, name }: { namespace: string; name: string }) {
  return resource.namespaced ? { namespace, name } : { name };
}
