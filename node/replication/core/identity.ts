/**
 * Who and when: incarnations, epochs, generations, revisions.
 *
 * The brands keep an epoch from being used as a revision, and a node's name from being used where an
 * incarnation is meant: a name outlives a crash, the data does not.
 */

declare const brand: unique symbol;

/** Number of a leadership of one shard; 0 before the first leader. */
export type Epoch = number & { readonly [brand]: 'epoch' };
/** Number of a life of a shard's data; starts at 1, rises only when the shard was lost. */
export type Generation = number & { readonly [brand]: 'generation' };
/** Counts the compare-and-sets of one Lease. */
export type Revision = number & { readonly [brand]: 'revision' };
/** One start of one node's process: `demo-0/0123456789abcdef`. */
export type Incarnation = string & { readonly [brand]: 'incarnation' };

/** The brands are given here and nowhere else. Throws RangeError for what is no whole number >= 0. */
export const epoch = (value: number): Epoch => whole(value, 'epoch') as Epoch;
export const generation = (value: number): Generation => whole(value, 'generation') as Generation;
export const revision = (value: number): Revision => whole(value, 'revision') as Revision;

export const nextEpoch = (value: Epoch): Epoch => epoch(value + 1);
export const nextGeneration = (value: Generation): Generation => generation(value + 1);
export const nextRevision = (value: Revision): Revision => revision(value + 1);

/** Throws RangeError unless `text` is `<node>/<incarnation>`. */
export function incarnation(text: string): Incarnation {
  const slash = text.indexOf('/');
  if (slash < 1 || slash === text.length - 1 || text.indexOf('/', slash + 1) >= 0) {
    throw new RangeError(`"${text}" is no incarnation: expected <node>/<id>, such as demo-0/ab12`);
  }
  return text as Incarnation;
}

export const nodeOf = (value: Incarnation): string => value.slice(0, value.indexOf('/'));

function whole(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${what} must be a whole number of at least 0, not ${value}`);
  }
  return value;
}
