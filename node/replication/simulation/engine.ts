/**
 * An engine that only remembers: the committed side of one copy, with the keys' versions. What a batch does is an
 * entry's content; versions are the engine's own and travel in it.
 */

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

  /** What a command would change, after what the batch holds already. Nothing is changed yet. */
  execute(command: Command, already: readonly Change[]): Change {
    const { key } = command;
    const version = (already.at(-1)?.version ?? this.#version) + 1;
    if (command.kind === 'set') return { key, value: command.value, version };
    const hidden = already.findLast((change) => change.key === key);
    const { value } = hidden ?? this.#data.get(key) ?? { value: '0' };
    return { key, value: String(Number(value) + 1), version };
  }

  /** An effect that is older than what the copy has of its key changes nothing. */
  apply(changes: readonly Change[]): void {
    for (const { key, value, version } of changes) {
      if (version > this.#version) this.#version = version;
      const before = this.#data.get(key);
      if (before === undefined || before.version < version) this.#data.set(key, { value, version });
    }
  }

  clear(): void {
    this.#data.clear();
    this.#cuts.clear();
    this.#version = 0;
  }

  /** The next part of a snapshot, undefined at its end. A part is of the committed side when it is taken. */
  cut(to: string, snapshot: number): readonly Change[] | undefined {
    const name = `${to} ${snapshot}`;
    const left = this.#cuts.get(name) ?? [...this.#data.keys()];
    const keys = left.splice(0, recordsACut);
    this.#cuts.set(name, left);
    if (keys.length === 0) return undefined;
    return keys.map((key) => ({ key, ...(this.#data.get(key) as Cell) }));
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const sealed = (changes: readonly Change[]): Uint8Array =>
  encoder.encode(changes.map(({ key, value, version }) => `${key}:${value}:${version}`).join(';'));

export function unsealed(content: Uint8Array): Change[] {
  if (content.length === 0) return [];
  return decoder
    .decode(content)
    .split(';')
    .map((text) => {
      const [key = '', value = '', version] = text.split(':');
      return { key, value, version: Number(version) };
    });
}
