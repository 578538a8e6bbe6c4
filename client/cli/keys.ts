/** Commands about keys: get, set, del, incr, scan. */
import { type Bytes, op, type SetOptions } from '../mod.ts';
import { UsageError } from './arguments.ts';
import type { ClusterCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { jsonBytes, printable } from './output.ts';

export const get: ClusterCommand = {
  usage: 'KEY',
  summary: 'print the value of a key',
  options: {},
  takes: { min: 1, max: 1 },
  run: async (client, { args, output, timeoutMs, signal }) => {
    const [key = ''] = args.positionals;
    const value = await client.get(key, { timeoutMs, signal });
    if (output.json) {
      const {
        bytes,
        version,
        expireAtMs = null,
      } = value ?? { bytes: undefined, version: undefined };
      output.value(
        bytes === undefined
          ? { key, found: false }
          : { key, found: true, ...jsonBytes('value', bytes), version, expireAtMs },
      );
    } else if (value !== undefined) {
      if (output.terminal) output.line(printable(value.bytes));
      else output.bytes(value.bytes);
    } else output.error(`there is no key "${key}"`);
    return value === undefined ? EXIT.notFound : EXIT.ok;
  },
};

export const set: ClusterCommand = {
  usage: 'KEY VALUE|-',
  summary: 'store a value (-: what comes on standard input)',
  options: {
    'expire-after-ms': { value: 'MS', help: 'the key expires so many milliseconds from now' },
    'keep-expiry': { help: 'the expiry that the key has stays' },
    'if-absent': { help: 'only if there is no such key' },
    'if-present': { help: 'only if there is such a key' },
    'if-version': {
      value: 'VERSION',
      help: 'only if the key has this version (get --output json tells it)',
    },
  },
  takes: { min: 2, max: 2 },
  run: async (client, { args, output, timeoutMs, signal, readInput }) => {
    const [key = '', text = ''] = args.positionals;
    const value: Bytes = text === '-' ? await readInput() : text;
    const { applied, version } = await client.set(key, value, {
      ...setOptions(args),
      timeoutMs,
      signal,
    });
    if (output.json) output.value({ key, applied, version: version ?? null });
    else if (applied) output.line('OK');
    else output.error(`"${key}" was not set: the condition does not hold`);
    return applied ? EXIT.ok : EXIT.notFound;
  },
};

export const del: ClusterCommand = {
  usage: 'KEY...',
  summary: 'remove keys, print how many there were',
  options: {},
  takes: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async (client, { args, output, timeoutMs, signal }) => {
    const keys = args.positionals;
    const outcomes = await client.batch(
      keys.map((key) => op.delete(key)),
      { timeoutMs, signal },
    );
    const deleted = keys.filter((_, i) => outcomes[i]?.ok && outcomes[i].value);
    if (output.json) output.value({ deleted, count: deleted.length });
    else output.line(String(deleted.length));
    for (const outcome of outcomes) if (!outcome.ok) throw outcome.error;
    return deleted.length > 0 ? EXIT.ok : EXIT.notFound;
  },
};

export const incr: ClusterCommand = {
  usage: 'KEY [BY]',
  summary: 'add to the integer that a key holds (1 if BY is missing), print the sum',
  options: {},
  takes: { min: 1, max: 2 },
  run: async (client, { args, output, timeoutMs, signal }) => {
    const [key = '', by = '1'] = args.positionals;
    if (!/^-?\d{1,19}$/.test(by)) throw new UsageError(`BY must be a whole number, and is "${by}"`);
    const value = await client.increment(key, BigInt(by), { timeoutMs, signal });
    // A string: JSON's numbers are not exact above 2^53.
    if (output.json) output.value({ key, value: String(value) });
    else output.line(String(value));
    return EXIT.ok;
  },
};

export const scan: ClusterCommand = {
  usage: '[PATTERN]',
  summary: 'print the keys (that match PATTERN: user:*), one a line',
  options: {
    values: { help: 'values too, behind a tab' },
    limit: { value: 'N', help: 'so many keys at most' },
    after: {
      value: 'TOKEN',
      help: 'go on behind the page with this token (--output json tells it)',
    },
  },
  takes: { min: 0, max: 1 },
  run: async (client, { args, output, timeoutMs, signal }) => {
    const [match] = args.positionals;
    const limit = args.integer('limit', { min: 1, max: Number.MAX_SAFE_INTEGER });
    const after = args.text('after');
    const entries = client.scan({
      ...(match === undefined ? {} : { match }),
      ...(after === undefined ? {} : { after }),
      withValues: args.flag('values'),
      timeoutMs,
      signal,
    });
    let count = 0;
    for await (const { keyBytes, value, version, expireAtMs = null, token = null } of entries) {
      if (output.json) {
        const more = value === undefined ? {} : jsonBytes('value', value);
        output.value({ ...jsonBytes('key', keyBytes), ...more, version, expireAtMs, token });
      } else {
        output.line(printable(keyBytes) + (value === undefined ? '' : `\t${printable(value)}`));
      }
      if (++count === limit) break;
    }
    return EXIT.ok;
  },
};

function setOptions(args: Parameters<ClusterCommand['run']>[1]['args']): SetOptions {
  const expireAfterMs = args.integer('expire-after-ms', { min: 1, max: Number.MAX_SAFE_INTEGER });
  const ifVersion = args.text('if-version');
  const conditions = [args.flag('if-absent'), args.flag('if-present'), ifVersion !== undefined];
  if (conditions.filter(Boolean).length > 1) {
    throw new UsageError('at most one of --if-absent, --if-present, --if-version may be given');
  }
  if (expireAfterMs !== undefined && args.flag('keep-expiry')) {
    throw new UsageError('at most one of --expire-after-ms, --keep-expiry may be given');
  }
  return {
    ...(expireAfterMs === undefined ? {} : { expireAfterMs }),
    ...(args.flag('keep-expiry') ? { keepExpiry: true } : {}),
    ...(args.flag('if-absent') ? { condition: 'if-absent' as const } : {}),
    ...(args.flag('if-present') ? { condition: 'if-present' as const } : {}),
    ...(ifVersion === undefined ? {} : { ifVersion }),
  };
}
