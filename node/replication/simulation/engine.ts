/**
 * An engine that only remembers: the committed side of one copy, with the keys' versions. What a batch does is an
 * entry's content; versions are the engine's own and travel in it.
 */

import type { LogEntry } from '../core/log.ts';

export interface Cell {
  readonly value: string;
  readonly version: number;
}

/** An effect, not a request: increments as their result. */
export interface Change extends Cell {
  readonly key: string;
}

export type Command =
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'increment'; readonly key: string };

const recordsACut = 2;

export class Engine {
  readonly #data = new Map<string, Cell>();
  #version = 0;
  /** Keys that are still to be cut, for each snapshot. */
  readonly #cuts = new Map<string, string[]>();

  get data(): ReadonlyMap<string, Cell> {
    return this.#data;
  }

  /** What commands would change, after those that the batch holds already. Nothing is changed yet. */
  execute(commands: readonly Command[], already: readonly Change[]): Change[] {
    let version = already.at(-1)?.version ?? this.#version;
    const changes: Change[] = [];
    for (const command of commands) {
      const { key } = command;
      const value = command.kind === 'set' ? command.value : this.#plusOne(key, already, changes);
      changes.push({ key, value, version: ++version });
    }
    return changes;
  }

  /** An effect that is older than what the copy has of its key changes nothing. */
  apply(changes: readonly Change[]): void {
    for (const { key, value, version } of changes) {
      if (version > this.#version) this.#version = version;
      const before = this.#data.get(key);
      if (before === undefined || before.version < version) this.#data.set(key, { value, version });
    }
  }

  #plusOne(key: string, ...batches: readonly (readonly Change[])[]): string {
    const hidden = batches.flat().findLast((change) => change.key === key);
    const { value } = hidden ?? this.#data.get(key) ?? { value: '0' };
    return String(Number(value) + 1);
  }

  clear(): void {
    this.#data.clear();
    this.#cuts.clear();
    this.#version = 0;
  }

  /** The next part of a snapshot, undefined at its end. A part is of the committed side when it is taken. */
  cut(to: string, snapshot: number): Uint8Array | undefined {
    const name = `${to} ${snapshot}`;
    const left = this.#cuts.get(name) ?? [...this.#data.keys()];
    const keys = left.splice(0, recordsACut);
    this.#cuts.set(name, left);
    if (keys.length === 0) return undefined;
    return sealed(keys.map((key) => ({ key, ...(this.#data.get(key) as Cell) })));
  }
}

/** As content of an entry, or as a cut. */
export function sealed(changes: readonly Change[]): Uint8Array {
  const content = new TextEncoder().encode(
    changes.map(({ key, value, version }) => `${key}:${value}:${version}`).join(';'),
  );
  opened.set(content, changes);
  return content;
}

/** Contents travel by reference in a simulation: nobody needs to parse them again. */
const opened = new WeakMap<Uint8Array, readonly Change[]>();

export function unsealed(content: Uint8Array): readonly Change[] {
  const known = opened.get(content);
  if (known === undefined) throw new Error('this content was not sealed here');
  return known;
}

export const entryOf = (sequence: number, changes: readonly Change[]): Omit<LogEntry, 'epoch'> => {
  const content = sealed(changes);
  const checksum = changes.reduce((sum, { version }) => (sum * 31 + version) >>> 0, sequence);
  return { sequence, content, checksum };
};
