/**
 * The objects of a fake API server: what Kubernetes does with metadata, versions, generations,
 * finalizers and owners, for any resource. No validation beyond that, but for Leases.
 */
import { isDeepStrictEqual } from 'node:util';
import type { OwnerReference, Resource } from '../resources.ts';
import { apiVersionOf } from '../resources.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface FakeObject extends Json {
  readonly metadata: FakeMeta;
}

export interface FakeMeta extends Json {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface FakeChange {
  readonly resource: Resource;
  readonly version: number;
  readonly before: FakeObject | undefined;
  /** Undefined: deleted. */
  readonly after: FakeObject | undefined;
}

/** An answer other than success, as Kubernetes' Status. */
export class FakeStatus extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export class FakeObjects {
  /** Asked before anything is stored; a text says what is invalid. Replace to add rules. */
  validate: (resource: Resource, object: Json) => string | undefined = validateLease;
  readonly changes: FakeChange[] = [];
  /** Versions up to this are forgotten: a watch from there is answered 410. */
  compactedVersion = 0;
  #version = 0;
  #uids = 0;
  readonly #objects = new Map<string, { resource: Resource; object: FakeObject }>();
  #listeners: ((change: FakeChange) => void)[] = [];

  get version(): number {
    return this.#version;
  }

  onChange(listener: (change: FakeChange) => void): void {
    this.#listeners.push(listener);
  }

  get(resource: Resource, namespace: string | undefined, name: string): FakeObject | undefined {
    return this.#objects.get(keyOf(resource, namespace, name))?.object;
  }

  /** As it was `staleChanges` changes ago. In no namespace: of all. */
  list(resource: Resource, namespace?: string, staleChanges = 0): FakeObject[] {
    const found = new Map<string, FakeObject>();
    for (const [key, { resource: other, object }] of this.#objects) {
      if (other.plural === resource.plural && other.group === resource.group)
        found.set(key, object);
    }
    const undone = staleChanges > 0 ? this.changes.slice(-staleChanges).reverse() : [];
    for (const { resource: other, before, after } of undone) {
      if (other.plural !== resource.plural || other.group !== resource.group) continue;
      if (after !== undefined) found.delete(keyOfObject(resource, after));
      if (before !== undefined) found.set(keyOfObject(resource, before), before);
    }
    return [...found.keys()]
      .sort()
      .map((key) => found.get(key) as FakeObject)
      .filter((object) => namespace === undefined || object.metadata.namespace === namespace);
  }

  create(resource: Resource, namespace: string | undefined, object: Json): FakeObject {
    const meta = jsonOf(object['metadata']);
    const generated = `${meta['generateName'] ?? ''}${(this.#uids + 1).toString(36).padStart(5, '0')}`;
    const name = typeof meta['name'] === 'string' ? meta['name'] : generated;
    const owned = resource.namespaced ? { namespace: namespace ?? 'default' } : {};
    if (this.get(resource, owned.namespace, name) !== undefined) {
      throw new FakeStatus(409, 'AlreadyExists', `${resource.plural} "${name}" already exists`);
    }
    const { status: _, ...withoutStatus } = object;
    const created = {
      ...(resource.status ? withoutStatus : object),
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: {
        ...meta,
        ...owned,
        name,
        uid: `00000000-0000-4000-8000-${(++this.#uids).toString(16).padStart(12, '0')}`,
        creationTimestamp: new Date().toISOString().replace(/\.\d+Z/, 'Z'),
        ...(hasGeneration(resource) ? { generation: 1 } : {}),
      },
    };
    return this.#store(resource, undefined, created);
  }

  /** `subresource` undefined or `status`. Without a resourceVersion it is unconditional. */
  replace(resource: Resource, before: FakeObject, object: Json, subresource?: string): FakeObject {
    const sent = jsonOf(object['metadata']);
    const { name, uid, resourceVersion } = before.metadata;
    if (
      (sent['uid'] ?? uid) !== uid ||
      (sent['resourceVersion'] ?? resourceVersion) !== resourceVersion
    ) {
      throw new FakeStatus(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${resource.plural} "${name}": the object has been modified`,
      );
    }
    let after = { ...object, apiVersion: before['apiVersion'], kind: before['kind'] } as Json;
    if (subresource === 'status') after = { ...before, status: object['status'] };
    else if (resource.status) after = withField(after, 'status', before['status']);
    const meta = subresource === 'status' ? before.metadata : { ...sent };
    const generation = before.metadata.generation;
    const metadata: Json = withFields(meta, {
      name,
      namespace: before.metadata.namespace,
      uid,
      resourceVersion,
      creationTimestamp: before.metadata['creationTimestamp'],
      deletionTimestamp: before.metadata.deletionTimestamp,
      generation:
        generation === undefined || !specChanged(before, after) ? generation : generation + 1,
    });
    after = { ...after, metadata };
    if (isDeepStrictEqual(before, after)) return before;
    const finalizers = metadata['finalizers'];
    const finished = !Array.isArray(finalizers) || finalizers.length === 0;
    if (before.metadata.deletionTimestamp !== undefined && finished) {
      return this.#remove(resource, before);
    }
    return this.#store(resource, before, after);
  }

  /** JSON merge patch (RFC 7386), also for strategic patches: lists are replaced. */
  patch(resource: Resource, before: FakeObject, patch: Json, subresource?: string): FakeObject {
    const merged = mergePatch(before, patch) as Json;
    return this.replace(resource, before, merged, subresource);
  }

  /** With finalizers it stays, marked; what it owns goes with it. */
  delete(
    resource: Resource,
    object: FakeObject,
    preconditions: { readonly uid?: unknown; readonly resourceVersion?: unknown } = {},
  ): FakeObject {
    const { uid, resourceVersion, name, finalizers = [], deletionTimestamp } = object.metadata;
    if (
      (preconditions.uid ?? uid) !== uid ||
      (preconditions.resourceVersion ?? resourceVersion) !== resourceVersion
    ) {
      throw new FakeStatus(409, 'Conflict', `Precondition failed: ${resource.plural} "${name}"`);
    }
    if (finalizers.length === 0) return this.#remove(resource, object);
    if (deletionTimestamp !== undefined) return object;
    const marked = new Date().toISOString().replace(/\.\d+Z/, 'Z');
    const metadata = { ...object.metadata, deletionTimestamp: marked };
    return this.#store(resource, object, { ...object, metadata });
  }

  /** Forgets the past: watches from before now are answered 410. */
  compact(): void {
    this.compactedVersion = this.#version;
    this.changes.length = 0;
  }

  #store(resource: Resource, before: FakeObject | undefined, object: Json): FakeObject {
    const invalid = this.validate(resource, object);
    if (invalid !== undefined) throw new FakeStatus(422, 'Invalid', invalid);
    const version = ++this.#version;
    const metadata = { ...jsonOf(object['metadata']), resourceVersion: String(version) };
    const after = structuredClone({ ...object, metadata }) as unknown as FakeObject;
    this.#objects.set(keyOfObject(resource, after), { resource, object: after });
    this.#tell({ resource, version, before, after });
    return after;
  }

  #remove(resource: Resource, object: FakeObject): FakeObject {
    const version = ++this.#version;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    const removed = { ...object, metadata };
    this.#objects.delete(keyOfObject(resource, object));
    this.#tell({ resource, version, before: removed, after: undefined });
    this.#collectGarbage(object.metadata.uid);
    return removed;
  }

  #collectGarbage(ownerUid: string): void {
    for (const { resource, object } of [...this.#objects.values()]) {
      const owners = object.metadata.ownerReferences ?? [];
      if (!owners.some(({ uid }) => uid === ownerUid)) continue;
      if (owners.every(({ uid }) => !this.#exists(uid))) this.delete(resource, object);
    }
  }

  #exists(uid: string): boolean {
    return [...this.#objects.values()].some(({ object }) => object.metadata.uid === uid);
  }

  #tell(change: FakeChange): void {
    this.changes.push(change);
    for (const listener of this.#listeners) listener(change);
  }
}

export function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...jsonOf(target) };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

export function jsonOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

/** As ValidateLeaseSpec of Kubernetes. */
export function validateLease(resource: Resource, object: Json): string | undefined {
  if (resource.kind !== 'Lease') return undefined;
  const { leaseDurationSeconds = 1, leaseTransitions = 0 } = jsonOf(object['spec']);
  if (typeof leaseDurationSeconds !== 'number' || leaseDurationSeconds <= 0) {
    return 'spec.leaseDurationSeconds: Invalid value: must be greater than 0';
  }
  if (typeof leaseTransitions !== 'number' || leaseTransitions < 0) {
    return 'spec.leaseTransitions: Invalid value: must be greater than or equal to 0';
  }
  return undefined;
}

function hasGeneration({ kind }: Resource): boolean {
  return ![
    'Lease',
    'ConfigMap',
    'ServiceAccount',
    'Event',
    'Role',
    'RoleBinding',
    'Service',
    'Node',
  ].includes(kind);
}

function specChanged(before: Json, after: Json): boolean {
  const { metadata: _1, status: _2, ...old } = before;
  const { metadata: _3, status: _4, ...young } = after;
  return !isDeepStrictEqual(old, young);
}

function withField(object: Json, name: string, value: unknown): Json {
  return withFields(object, { [name]: value });
}

/** Sets fields; those that are undefined are removed. */
function withFields(object: Json, fields: Json): Json {
  const changed: Record<string, unknown> = { ...object };
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) delete changed[name];
    else changed[name] = value;
  }
  return changed;
}

function keyOf(resource: Resource, namespace: string | undefined, name: string): string {
  return `${resource.group}/${resource.plural}/${resource.namespaced ? namespace : ''}/${name}`;
}

function keyOfObject(resource: Resource, object: FakeObject): string {
  return keyOf(resource, object.metadata.namespace, object.metadata.name);
}
