/** Makes one object be as wanted: creates it, changes it, or finds that it is somebody else's. */
import type { Resource } from '@r-db/kubernetes/resources.ts';
import { type ApiError, isApiError } from './api.ts';
import type { Context } from './context.ts';
import { contains, type Json } from './json.ts';
import { annotations } from './names.ts';
import { annotationOf, controllerOf, type KubernetesObject, keyOf } from './objects.ts';
import { isOwn } from './observe.ts';
import { KIND } from './resource.ts';

/** Undefined if it could not be done; the findings say why. Other errors are thrown. */
export async function ensure(
  context: Context,
  resource: Resource,
  wanted: KubernetesObject,
  known: KubernetesObject | undefined,
): Promise<KubernetesObject | undefined> {
  return guarded(context, wanted, async () => {
    const { api } = context.tools;
    if (known === undefined) {
      try {
        return await api.create(resource, wanted);
      } catch (error) {
        if (!isApiError(error, 'AlreadyExists')) throw error;
      }
    }
    // A cache shows only what has our labels: whose the object is, the server must say.
    const actual = known ?? (await api.get(resource, keyOf(wanted)));
    if (actual === undefined) return await api.create(resource, wanted);
    if (!isOwn(context.cluster, actual)) return stranger(context, actual, resource);
    if (actual.metadata.deletionTimestamp !== undefined) {
      context.found.leaving.push(`${resource.kind} ${actual.metadata.name}`);
      return undefined;
    }
    return isAsWanted(actual, wanted)
      ? actual
      : await api.replace(resource, merged(actual, wanted));
  });
}

/** Runs a write; what a person must cure becomes a finding instead of an error. */
export async function guarded<T>(
  context: Context,
  object: { readonly kind: string; readonly metadata: { readonly name: string } },
  write: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await write();
  } catch (error) {
    if (!isApiError(error, 'Forbidden', 'Invalid')) throw error;
    told(context, `${object.kind} ${object.metadata.name}`, error);
    return undefined;
  }
}

export function told({ found }: Context, what: string, error: ApiError): void {
  const list = error.code === 'Forbidden' ? found.forbidden : found.rejected;
  list.push(`${what}: ${error.message}`);
}

/** Nothing of ours missing or different, and nothing left of what was wanted before. */
export function isAsWanted(actual: KubernetesObject, wanted: KubernetesObject): boolean {
  const { apiVersion: _1, kind: _2, metadata, ...body } = wanted;
  const { labels, annotations: texts, ownerReferences } = metadata;
  return (
    annotationOf(actual, annotations.appliedHash) ===
      annotationOf(wanted, annotations.appliedHash) &&
    contains(actual as unknown as Json, body as unknown as Json) &&
    contains(
      actual.metadata as unknown as Json,
      JSON.parse(JSON.stringify({ labels, annotations: texts, ownerReferences })) as Json,
    )
  );
}

/** What the server and others wrote beside ours stays, except under fields that are ours as a whole. */
export function merged(actual: KubernetesObject, wanted: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata, ...body } = wanted;
  const spec = kind === 'Service' ? { spec: serviceSpec(actual, wanted) } : {};
  return {
    ...actual,
    ...body,
    ...spec,
    apiVersion,
    kind,
    metadata: {
      ...actual.metadata,
      labels: { ...actual.metadata.labels, ...metadata.labels },
      annotations: { ...actual.metadata.annotations, ...metadata.annotations },
      ...(metadata.ownerReferences === undefined
        ? {}
        : { ownerReferences: metadata.ownerReferences }),
    },
  };
}

/** Addresses and ports that Kubernetes has given to a Service are kept. */
function serviceSpec(actual: KubernetesObject, wanted: KubernetesObject) {
  const { ports: before, ...given } = actual.spec ?? {};
  const ports = (wanted.spec?.['ports'] ?? []) as readonly { name: string }[];
  const old = (Array.isArray(before) ? before : []) as readonly {
    name?: string;
    nodePort?: number;
  }[];
  const keepsNodePorts =
    wanted.spec?.['type'] !== 'ClusterIP' && wanted.spec?.['type'] !== undefined;
  return {
    ...given,
    ...wanted.spec,
    ports: ports.map((port) => {
      const nodePort = old.find(({ name }) => name === port.name)?.nodePort;
      return keepsNodePorts && nodePort !== undefined ? { ...port, nodePort } : port;
    }),
  };
}

/** An object of an earlier cluster of this name goes by itself; any other is left alone for good. */
function stranger(context: Context, actual: KubernetesObject, resource: Resource): undefined {
  const owner = controllerOf(actual);
  const earlier = owner?.kind === KIND && owner.name === context.cluster.metadata.name;
  const name = `${resource.kind} ${actual.metadata.name}`;
  (earlier ? context.found.leaving : context.found.foreign).push(name);
  return undefined;
}
