/** Kubernetes quantities (`500m`, `1Gi`, `2`), exactly: in billionths, as Kubernetes keeps them. */

const SUFFIX: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  '': 1_000_000_000n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: 1024n * 10n ** 9n,
  Mi: 1024n ** 2n * 10n ** 9n,
  Gi: 1024n ** 3n * 10n ** 9n,
  Ti: 1024n ** 4n * 10n ** 9n,
  Pi: 1024n ** 5n * 10n ** 9n,
  Ei: 1024n ** 6n * 10n ** 9n,
};
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?$/;
const BINARY = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const;
const DECIMAL = ['E', 'P', 'T', 'G', 'M', 'k', '', 'm', 'u', 'n'] as const;

/** Billionths; undefined if this is no quantity. Parts below a billionth are rounded up. */
export function parseQuantity(value: string | number): bigint | undefined {
  const match = FORM.exec(String(value));
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const unit = SUFFIX[suffix] ?? 10n ** 9n * 10n ** BigInt(Math.max(0, exponentOf(suffix)));
  const divisor = 10n ** BigInt(fraction.length + Math.max(0, -exponentOf(suffix)));
  const billionths = (digits * unit + divisor - 1n) / divisor;
  return sign === '-' ? -billionths : billionths;
}

/** One spelling for one amount (`1024Mi` and `1Gi` are `1Gi`), as the API server would write it. */
export function canonicalQuantity(value: string | number): string {
  const amount = parseQuantity(value);
  if (amount === undefined) return String(value);
  if (amount === 0n) return '0';
  const binary = String(value).endsWith('i') && amount >= 1024n * 10n ** 9n;
  for (const suffix of binary ? [...BINARY, ...DECIMAL] : DECIMAL) {
    const unit = SUFFIX[suffix] ?? 1n;
    if (amount % unit === 0n) return `${amount / unit}${suffix}`;
  }
  return String(value);
}

export function sameQuantity(left: unknown, right: unknown): boolean {
  if (!isText(left) || !isText(right)) return false;
  const amount = parseQuantity(left);
  return amount !== undefined && amount === parseQuantity(right);
}

/** Whole units, rounded up: bytes of a memory quantity, cores of a CPU quantity. */
export function unitsRoundedUp(value: string | number): number | undefined {
  const amount = parseQuantity(value);
  return amount === undefined ? undefined : Number((amount + 999_999_999n) / 1_000_000_000n);
}

function exponentOf(suffix: string): number {
  return /^[eE]/.test(suffix) ? Number(suffix.slice(1)) : 0;
}

function isText(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
