/** Reading of single fields of a Lease: each gives a value or an error that names the field. */
import {
  ADDRESSES_OF_A_PORT_MAX,
  ANNOTATION_CHARACTERS_MAX,
  ASSIGNMENT_NODES_MAX,
  IN_SYNC_INCARNATIONS_MAX,
  NODE_NAME_CHARACTERS_MAX,
} from './limits.ts';

export interface Fields {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseTransitions?: number;
    readonly renewTime?: string;
  };
}

/** One start of a node's process. */
export interface Member {
  /** Pod name, `demo-0`. */
  readonly node: string;
  /** 16 lower-case hexadecimal digits. */
  readonly incarnation: string;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Every address of each port, all IP families; the first is preferred. */
export interface NodeAddressLists {
  readonly resp: readonly Address[];
  readonly grpc: readonly Address[];
  readonly peer: readonly Address[];
}

export interface FieldError {
  /** `annotation rdb.dev/in-sync` or `spec.holderIdentity`. */
  readonly field: string;
  /** A whole sentence: field, what it is, what it must be. */
  readonly message: string;
}

export type Result<T> =
  | { readonly ok: true; readonly content: T }
  | { readonly ok: false; readonly error: FieldError };

type Failure = { readonly ok: false; readonly error: FieldError };

const SHOWN_CHARACTERS_MAX = 80;
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const INCARNATION = /^[0-9a-f]{16}$/;
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export function label(annotation: string): string {
  return `annotation ${annotation}`;
}

export function fail(field: string, value: unknown, right: string): Failure {
  const shown =
    value === undefined ? 'missing' : `${JSON.stringify(value)?.slice(0, SHOWN_CHARACTERS_MAX)}`;
  return { ok: false, error: { field, message: `${field} is ${shown}: it must be ${right}` } };
}

export function formatMember(member: Member): string {
  return `${member.node}/${member.incarnation}`;
}

export function readMember(field: string, text: unknown): Result<Member> {
  const member = typeof text === 'string' ? memberOf(text) : undefined;
  if (member !== undefined) return { ok: true, content: member };
  return fail(field, text, '<node>/<incarnation>, such as demo-0/0123456789abcdef');
}

/** An empty text is an empty set; a missing annotation is an error. */
export function readMembers(lease: Fields, annotation: string): Result<readonly Member[]> {
  const text = annotationOf(lease, annotation);
  if (text === '') return { ok: true, content: [] };
  const parts = typeof text === 'string' ? text.split(',') : [];
  const members = parts.map(memberOf).filter((member) => member !== undefined);
  if (
    typeof text !== 'string' ||
    members.length !== parts.length ||
    members.length > IN_SYNC_INCARNATIONS_MAX ||
    new Set(parts).size !== parts.length
  ) {
    return fail(
      label(annotation),
      text,
      `a list <node>/<incarnation>,... of at most ${IN_SYNC_INCARNATIONS_MAX}, each once, or empty`,
    );
  }
  return { ok: true, content: members };
}

export function readNodeNames(lease: Fields, annotation: string): Result<readonly string[]> {
  const text = annotationOf(lease, annotation);
  const names = typeof text === 'string' ? text.split(',') : [];
  if (
    names.length === 0 ||
    names.length > ASSIGNMENT_NODES_MAX ||
    !names.every(isNodeName) ||
    new Set(names).size !== names.length
  ) {
    const right = `a list of 1 to ${ASSIGNMENT_NODES_MAX} nodes, each once, such as demo-0,demo-2`;
    return fail(label(annotation), text, right);
  }
  return { ok: true, content: names };
}

export function readInteger(
  lease: Fields,
  annotation: string,
  { min, max }: { readonly min: number; readonly max: number },
): Result<number> {
  const text = annotationOf(lease, annotation);
  const value = typeof text === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : -1;
  if (value >= min && value <= max) return { ok: true, content: value };
  return fail(label(annotation), text, `a whole number from ${min} to ${max}, in decimal digits`);
}

export function readText(lease: Fields, annotation: string): Result<string | undefined> {
  const text = annotationOf(lease, annotation);
  if (text === undefined) return { ok: true, content: undefined };
  if (typeof text === 'string' && text.length > 0 && text.length <= ANNOTATION_CHARACTERS_MAX) {
    return { ok: true, content: text };
  }
  return fail(label(annotation), text, 'a text that is not empty');
}

export function readJson(
  lease: Fields,
  annotation: string,
): Result<Readonly<Record<string, unknown>> | undefined> {
  const text = annotationOf(lease, annotation);
  if (text === undefined) return { ok: true, content: undefined };
  const value = typeof text === 'string' ? jsonOf(text) : undefined;
  if (isRecord(value)) return { ok: true, content: value };
  return fail(label(annotation), text, 'a JSON object');
}

export function readAddresses(
  lease: Fields,
  annotation: string,
): Result<NodeAddressLists | undefined> {
  const json = readJson(lease, annotation);
  if (!json.ok || json.content === undefined) return json as Result<undefined>;
  const lists = json.content;
  const [resp, grpc, peer] = ['resp', 'grpc', 'peer'].map((port) => addressesOf(lists, port));
  if (resp !== undefined && grpc !== undefined && peer !== undefined) {
    return { ok: true, content: { resp, grpc, peer } };
  }
  return fail(
    label(annotation),
    lease.annotations[annotation],
    'JSON {"resp":[{"host":"10.0.0.1","port":6379}],"grpc":[...],"peer":[...]}, ' +
      `1 to ${ADDRESSES_OF_A_PORT_MAX} addresses each`,
  );
}

/** RFC 3339 to milliseconds since 1970. */
export function readTime(field: string, text: unknown): Result<number | undefined> {
  if (text === undefined || text === null) return { ok: true, content: undefined };
  const timeMs = typeof text === 'string' && MICRO_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return { ok: true, content: timeMs };
  return fail(field, text, 'a time such as 2026-11-23T12:00:00.000000Z');
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function annotationOf(lease: Fields, annotation: string): unknown {
  const value: unknown = Object.hasOwn(lease.annotations, annotation)
    ? lease.annotations[annotation]
    : undefined;
  return value;
}

function addressesOf(lists: Readonly<Record<string, unknown>>, port: string) {
  const list = lists[port];
  if (!Array.isArray(list) || list.length === 0 || list.length > ADDRESSES_OF_A_PORT_MAX) {
    return undefined;
  }
  const addresses = list.map(addressOf).filter((address) => address !== undefined);
  return addresses.length === list.length ? addresses : undefined;
}

function addressOf(value: unknown): Address | undefined {
  if (!isRecord(value)) return undefined;
  const { host, port } = value;
  const valid =
    typeof host === 'string' &&
    /^[A-Za-z0-9.:_-]{1,253}$/.test(host) &&
    typeof port === 'number' &&
    Number.isInteger(port) &&
    port >= 1 &&
    port <= 65_535;
  return valid ? { host, port } : undefined;
}

export function memberOf(text: string): Member | undefined {
  const slash = text.indexOf('/');
  const node = text.slice(0, slash);
  const incarnation = text.slice(slash + 1);
  return slash > 0 && isNodeName(node) && INCARNATION.test(incarnation)
    ? { node, incarnation }
    : undefined;
}

function isNodeName(text: string): boolean {
  return text.length <= NODE_NAME_CHARACTERS_MAX && NODE_NAME.test(text);
}

function jsonOf(text: string): unknown {
  if (text.length > ANNOTATION_CHARACTERS_MAX) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
