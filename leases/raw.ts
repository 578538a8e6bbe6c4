/** Raw Lease objects, as Kubernetes has them, to `Lease` and back. */
import { ANNOTATION } from '@r-db/proto/leases.ts';
import { LeaseStoreError } from './errors.ts';
import type { Lease, LeaseChange, LeaseSpec, NewLease } from './store.ts';

type Fields = Readonly<Record<string, unknown>>;

const SPEC_TEXTS = ['holderIdentity', 'acquireTime', 'renewTime'] as const;
const SPEC_NUMBERS = ['leaseTransitions', 'leaseDurationSeconds'] as const;

/** Throws LeaseStoreError `Malformed`, naming the field, if it is no Lease as a store returns it. */
export function leaseOf(raw: unknown): Lease {
  const metadata = fieldsOf(fieldsOf(raw)['metadata']);
  const name = metadata['name'];
  const uid = metadata['uid'];
  const resourceVersion = metadata['resourceVersion'];
  if (!isText(name)) throw malformed('a Lease', 'metadata.name');
  if (!isText(uid)) throw malformed(`Lease ${name}`, 'metadata.uid');
  if (!isText(resourceVersion)) throw malformed(`Lease ${name}`, 'metadata.resourceVersion');
  return {
    name,
    uid,
    resourceVersion,
    labels: textsOf(metadata['labels']),
    annotations: textsOf(metadata['annotations']),
    spec: specOf(fieldsOf(fieldsOf(raw)['spec'])),
    raw,
  };
}

/**
 * The object to send for an update: the raw one with known fields changed and the revision raised.
 * A revision in the change counts if it is higher than the next one.
 */
export function changedRaw(lease: Lease, change: LeaseChange): unknown {
  const raw = fieldsOf(lease.raw);
  const metadata = fieldsOf(raw['metadata']);
  const annotations: Record<string, string> = { ...lease.annotations };
  for (const [name, value] of Object.entries(change.annotations ?? {})) {
    if (value === null) delete annotations[name];
    else annotations[name] = value;
  }
  const given = revisionOf(change.annotations?.[ANNOTATION.revision] ?? undefined);
  const next = revisionOf(lease.annotations[ANNOTATION.revision]) + 1;
  annotations[ANNOTATION.revision] = String(Math.max(given, next));
  return {
    ...raw,
    metadata: { ...metadata, annotations, resourceVersion: lease.resourceVersion },
    spec: { ...fieldsOf(raw['spec']), ...change.spec },
  };
}

/** The object to send to create a Lease. */
export function newRaw(lease: NewLease, namespace: string): Readonly<Record<string, unknown>> {
  const { name, labels, annotations, ownerReferences } = lease;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace,
      labels,
      annotations,
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
    },
    spec: lease.spec,
  };
}

/** 0 where there is none or it is no number: the next update then starts anew from 1. */
export function revisionOf(text: string | undefined): number {
  const revision = text !== undefined && /^[0-9]{1,16}$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(revision) ? revision : 0;
}

export function hasLabels(lease: Lease, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => lease.labels[name] === value);
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

function specOf(spec: Fields): LeaseSpec {
  const known: Record<string, unknown> = {};
  for (const name of SPEC_TEXTS) {
    if (typeof spec[name] === 'string') known[name] = spec[name];
  }
  for (const name of SPEC_NUMBERS) {
    if (typeof spec[name] === 'number') known[name] = spec[name];
  }
  return known;
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts = Object.entries(fieldsOf(value)).filter(([, text]) => typeof text === 'string');
  return Object.fromEntries(texts) as Record<string, string>;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0;
}

function malformed(what: string, field: string): LeaseStoreError {
  return new LeaseStoreError('Malformed', `${what} has no ${field}: the store returned no Lease`);
}
