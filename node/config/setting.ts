import { mebibyte } from './limits.ts';

/** One setting of a node: the row that reading, `--help`, reloading and the docs share. */
export interface Setting<T> {
  /** Environment variable; the flag is the same name in lower case with dashes, `--resp-port`. */
  readonly name: string;
  /** What a value looks like, for people. */
  readonly type: string;
  readonly meaning: string;
  /** Takes effect while running, from a file of the configuration directory. */
  readonly reloadable: boolean;
  readonly required: boolean;
  /** For people: the default, or where it comes from. */
  readonly defaultText: string;
  readonly fallback: T;
  /** The value, or what would be right instead. */
  parse(text: string): Parsed<T>;
}

export type Parsed<T> = { readonly value: T } | { readonly expected: string };

interface Common {
  readonly name: string;
  readonly meaning: string;
  readonly reloadable?: boolean;
}

/** A setting that has no default: the start stops without it. */
export function required<T>(setting: Setting<T | undefined>): Setting<T> {
  // The fallback is never used: reading stops before.
  return { ...setting, required: true, defaultText: 'required' } as Setting<T>;
}

export function text<T extends string | undefined>(
  options: Common & {
    readonly fallback: T;
    readonly defaultText?: string;
    readonly pattern: RegExp;
    readonly type: string;
  },
): Setting<T | string> {
  return {
    ...base(options),
    type: options.type,
    fallback: options.fallback,
    defaultText: options.defaultText ?? options.fallback ?? 'none',
    parse: (raw) => (options.pattern.test(raw) ? { value: raw } : { expected: options.type }),
  };
}

export function integer<T extends number | undefined>(
  options: Common & {
    readonly fallback: T;
    readonly defaultText?: string;
    readonly min: number;
    readonly max: number;
  },
): Setting<T | number> {
  const type = `integer, ${options.min} to ${options.max}`;
  return {
    ...base(options),
    type,
    fallback: options.fallback,
    defaultText: options.defaultText ?? String(options.fallback ?? 'none'),
    parse: (raw) => {
      const value = /^-?\d{1,15}$/.test(raw) ? Number(raw) : Number.NaN;
      return value >= options.min && value <= options.max ? { value } : { expected: type };
    },
  };
}

/** Bytes: a plain number, or a Kubernetes quantity with a binary or decimal suffix. */
export function bytes<T extends number | undefined>(
  options: Common & {
    readonly fallback: T;
    readonly defaultText?: string;
    readonly min: number;
    readonly max: number;
  },
): Setting<T | number> {
  const range = `${showBytes(options.min)} to ${showBytes(options.max)}`;
  const type = `bytes (67108864, 64Mi, 64M), ${range}`;
  return {
    ...base(options),
    type,
    fallback: options.fallback,
    defaultText:
      options.defaultText ??
      (options.fallback === undefined ? 'none' : showBytes(options.fallback)),
    parse: (raw) => {
      const value = parseBytes(raw);
      return value >= options.min && value <= options.max ? { value } : { expected: type };
    },
  };
}

export function choice<const T extends string>(
  options: Common & { readonly of: readonly T[]; readonly fallback: T },
): Setting<T> {
  const type = options.of.join(' | ');
  return {
    ...base(options),
    type,
    fallback: options.fallback,
    defaultText: options.fallback,
    parse: (raw) => {
      const value = options.of.find((one) => one === raw);
      return value === undefined ? { expected: type } : { value };
    },
  };
}

export function flag(options: Common & { readonly fallback: boolean }): Setting<boolean> {
  return {
    ...base(options),
    type: 'true | false',
    fallback: options.fallback,
    defaultText: String(options.fallback),
    parse: (raw) =>
      raw === 'true' || raw === 'false' ? { value: raw === 'true' } : { expected: 'true | false' },
  };
}

/** `RDB_RESP_PORT` -> `--resp-port`. */
export function flagName(name: string): string {
  return `--${name.replace(/^RDB_/, '').toLowerCase().replaceAll('_', '-')}`;
}

function base(options: Common) {
  return {
    name: options.name,
    meaning: options.meaning,
    reloadable: options.reloadable ?? false,
    required: false,
  };
}

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: mebibyte,
  Gi: 1024 * mebibyte,
};

function parseBytes(raw: string): number {
  const match = /^(\d{1,15})(|k|M|G|Ki|Mi|Gi)$/.exec(raw);
  return match === null ? Number.NaN : Number(match[1]) * (suffixes[match[2] ?? ''] ?? Number.NaN);
}

export function showBytes(value: number): string {
  for (const [suffix, unit] of [
    ['Gi', 1024 * mebibyte],
    ['Mi', mebibyte],
    ['Ki', 1024],
  ] as const) {
    if (value >= unit && value % unit === 0) {
      return `${value / unit}${suffix}`;
    }
  }
  return String(value);
}
