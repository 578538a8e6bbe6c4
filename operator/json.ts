/** Plain JSON: one spelling, one hash, and whether what stands already holds what is wanted. */
import { createHash } from 'node:crypto';
import { sameQuantity } from './quantity.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

/** Keys sorted, undefined left out: the same bytes for the same content. */
export function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isObject(value)) {
    const fields = Object.keys(value)
      .filter((name) => value[name] !== undefined)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

/** 12 hexadecimal digits of SHA-256: short enough to type into an annotation. */
export function hashOf(value: Json): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 12);
}

/**
 * Whether `actual` has everything that `wanted` names. What the API server fills in by itself does
 * not count, nor does its spelling of quantities, nor that it leaves out what is empty.
 */
export function contains(actual: Json | undefined, wanted: Json | undefined): boolean {
  if (actual === undefined || actual === null) return isEmpty(wanted);
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(actual) &&
      actual.length === wanted.length &&
      wanted.every((item, index) => contains(actual[index], item))
    );
  }
  if (isObject(wanted)) {
    return (
      isObject(actual) && Object.keys(wanted).every((name) => contains(actual[name], wanted[name]))
    );
  }
  return wanted === undefined || actual === wanted || sameQuantity(actual, wanted);
}

/** The same without fields that are undefined, at any depth. Empty objects stay: they mean something. */
export function defined<T>(value: T): T {
  if (Array.isArray(value)) return value.map(defined) as T;
  if (!isObject(value)) return value;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => [name, defined(field)]);
  return Object.fromEntries(fields) as T;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) {
    return true;
  }
  return typeof value === 'object' && Object.keys(value).length === 0;
}
