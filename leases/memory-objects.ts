/** The Lease objects of a `MemoryLeases`, with versions and a bounded history. */
import { isDeepStrictEqual } from 'node:util';
import { LeaseStoreError } from './errors.ts';
import { MEMORY_HISTORY_CHANGES_MAX } from './limits.ts';
import { fieldsOf, hasLabels, leaseOf } from './raw.ts';
import type { Lease } from './store.ts';

/** One change of one object; `before` undefined: created, `after` undefined: deleted. */
export interface ObjectChange {
  readonly before: Lease | undefined;
  readonly after: Lease | undefined;
}

export class MemoryObjects {
  readonly namespace: string;
  #leases = new Map<string, Lease>();
  #version = 0;
  #uids = 0;
  #history: ObjectChange[] = [];
  #listener: (change: ObjectChange) => void = () => {};

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  onChange(listener: (change: ObjectChange) => void): void {
    this.#listener = listener;
  }

  get(name: string): Lease | undefined {
    return this.#leases.get(name);
  }

  /** As it was `staleChanges` changes ago, or as long ago as is remembered. By name. */
  list(labels: Readonly<Record<string, string>>, staleChanges = 0): readonly Lease[] {
    const leases = new Map(this.#leases);
    const undone = staleChanges > 0 ? this.#history.slice(-staleChanges) : [];
    for (const { before, after } of undone.reverse()) {
      if (after !== undefined) leases.delete(after.name);
      if (before !== undefined) leases.set(before.name, before);
    }
    return [...leases.values()]
      .filter((lease) => hasLabels(lease, labels))
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Compare-and-set on the version in the object. An identical object is not stored. */
  put(raw: unknown): Lease {
    const sent = leaseOf(raw);
    const stored = this.#leases.get(sent.name);
    if (stored === undefined) {
      throw new LeaseStoreError('NotFound', `Lease ${sent.name} does not exist`);
    }
    if (stored.resourceVersion !== sent.resourceVersion || stored.uid !== sent.uid) {
      throw new LeaseStoreError('Conflict', `Lease ${sent.name} has been changed or replaced`);
    }
    if (isDeepStrictEqual(stored.raw, sent.raw)) return stored;
    return this.#store(stored, sent.raw, stored.uid);
  }

  create(raw: Readonly<Record<string, unknown>>): Lease {
    const name = String(fieldsOf(raw['metadata'])['name']);
    if (this.#leases.has(name)) {
      throw new LeaseStoreError('AlreadyExists', `Lease ${name} exists already`);
    }
    return this.#store(undefined, raw, `00000000-0000-4000-8000-${hex(++this.#uids, 12)}`);
  }

  /** Nothing happens if it is gone already; another UID is a conflict. */
  delete(name: string, uid: string): void {
    const stored = this.#leases.get(name);
    if (stored === undefined) return;
    if (stored.uid !== uid) {
      throw new LeaseStoreError('Conflict', `Lease ${name} is another object by now`);
    }
    this.#leases.delete(name);
    this.#version++;
    this.#record({ before: stored, after: undefined });
  }

  #store(before: Lease | undefined, raw: unknown, uid: string): Lease {
    const object = fieldsOf(structuredClone(raw));
    const metadata = fieldsOf(object['metadata']);
    const resourceVersion = String(++this.#version);
    const after = leaseOf({ ...object, metadata: { ...metadata, uid, resourceVersion } });
    this.#leases.set(after.name, after);
    this.#record({ before, after });
    return after;
  }

  #record(change: ObjectChange): void {
    this.#history.push(change);
    if (this.#history.length > MEMORY_HISTORY_CHANGES_MAX) this.#history.shift();
    this.#listener(change);
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
