/**
 * The commands of the engine over a plain map: slow, obvious, and what the engine must agree with.
 * Words are latin1 strings, replies RESP2.
 */
const maxInteger = 2n ** 63n - 1n;
const minInteger = -(2n ** 63n);

interface Entry {
  value: string;
  expireAtMs?: bigint | undefined;
}

const nil = '$-1\r\n';
const ok = '+OK\r\n';
const syntax = '-ERR syntax error\r\n';
const notAnInteger = '-ERR value is not an integer or out of range\r\n';
const integer = (value: bigint | number): string => `:${value}\r\n`;
const bulk = (value: string): string => `$${value.length}\r\n${value}\r\n`;

function toInteger(word: string): bigint | undefined {
  if (!/^(0|-?[1-9][0-9]*)$/.test(word)) return undefined;
  const value = BigInt(word);
  return value > maxInteger || value < minInteger ? undefined : value;
}

interface SetOptions {
  condition?: 'NX' | 'XX' | 'IFEQ';
  compared?: string;
  get?: boolean;
  keep?: boolean;
  expiry?: { unit: string; amount: string };
}

export class Model {
  readonly entries = new Map<string, Entry>();
  private readonly valueBytesMax: number;
  constructor(valueBytesMax: number) {
    this.valueBytesMax = valueBytesMax;
  }

  private live(key: string, nowMs: number): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry?.expireAtMs !== undefined && entry.expireAtMs <= BigInt(nowMs)) return undefined;
    return entry;
  }

  run(words: readonly string[], nowMs: number): string {
    const [name = '', ...rest] = words;
    const key = rest[0] ?? '';
    switch (name) {
      case 'GET': {
        const entry = this.live(key, nowMs);
        return entry === undefined ? nil : bulk(entry.value);
      }
      case 'SET':
        return this.set(rest, nowMs);
      case 'SETNX':
        if (this.live(key, nowMs) !== undefined) return integer(0);
        this.entries.set(key, { value: rest[1] ?? '' });
        return integer(1);
      case 'MGET': {
        const values = rest.map((one) => this.live(one, nowMs)?.value);
        return `*${rest.length}\r\n${values.map((value) => (value === undefined ? nil : bulk(value))).join('')}`;
      }
      case 'MSET':
        for (let index = 0; index < rest.length; index += 2) {
          this.entries.set(rest[index] ?? '', { value: rest[index + 1] ?? '' });
        }
        return ok;
      case 'DEL': {
        let deleted = 0;
        for (const one of rest) {
          if (this.live(one, nowMs) !== undefined) deleted++;
          this.entries.delete(one);
        }
        return integer(deleted);
      }
      case 'EXISTS':
        return integer(rest.filter((one) => this.live(one, nowMs) !== undefined).length);
      case 'INCR':
        return this.add(key, 1n, nowMs);
      case 'DECR':
        return this.add(key, -1n, nowMs);
      case 'INCRBY':
      case 'DECRBY': {
        const by = toInteger(rest[1] ?? '');
        if (by === undefined) return notAnInteger;
        if (name === 'DECRBY' && by === minInteger) return '-ERR decrement would overflow\r\n';
        return this.add(key, name === 'INCRBY' ? by : -by, nowMs);
      }
      case 'APPEND': {
        const entry = this.live(key, nowMs);
        const value = (entry?.value ?? '') + (rest[1] ?? '');
        if (value.length > this.valueBytesMax) {
          return '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n';
        }
        this.entries.set(key, { value, expireAtMs: entry?.expireAtMs });
        return integer(value.length);
      }
      case 'STRLEN':
        return integer(this.live(key, nowMs)?.value.length ?? 0);
      case 'TYPE':
        return this.live(key, nowMs) === undefined ? '+none\r\n' : '+string\r\n';
      case 'EXPIRE':
        return this.expire(rest, 1000n, nowMs);
      case 'PEXPIRE':
        return this.expire(rest, 1n, nowMs);
      case 'TTL':
      case 'PTTL': {
        const entry = this.live(key, nowMs);
        if (entry === undefined) return integer(-2);
        if (entry.expireAtMs === undefined) return integer(-1);
        const left = entry.expireAtMs - BigInt(nowMs);
        return integer(name === 'PTTL' ? left : (left + 500n) / 1000n);
      }
      case 'PERSIST': {
        const entry = this.live(key, nowMs);
        if (entry?.expireAtMs === undefined) return integer(0);
        entry.expireAtMs = undefined;
        return integer(1);
      }
      default:
        throw new Error(`the model does not know ${name}`);
    }
  }

  private add(key: string, by: bigint, nowMs: number): string {
    const entry = this.live(key, nowMs);
    const value = toInteger(entry?.value ?? '0');
    if (value === undefined) return notAnInteger;
    const sum = value + by;
    if (sum > maxInteger || sum < minInteger) {
      return '-ERR increment or decrement would overflow\r\n';
    }
    this.entries.set(key, { value: String(sum), expireAtMs: entry?.expireAtMs });
    return integer(sum);
  }

  private expire(words: readonly string[], unit: bigint, nowMs: number): string {
    const [key = '', amount = '', ...options] = words;
    const has = (option: string): boolean => options.includes(option);
    if (has('NX') && (has('XX') || has('GT') || has('LT'))) {
      return '-ERR NX and XX, GT or LT options at the same time are not compatible\r\n';
    }
    if (has('GT') && has('LT')) {
      return '-ERR GT and LT options at the same time are not compatible\r\n';
    }
    const value = toInteger(amount);
    if (value === undefined) return notAnInteger;
    const at = value * unit + BigInt(nowMs);
    if (at > maxInteger || value * unit < minInteger || value * unit > maxInteger) {
      const name = unit === 1n ? 'pexpire' : 'expire';
      return `-ERR invalid expire time in '${name}' command\r\n`;
    }
    const entry = this.live(key, nowMs);
    if (entry === undefined) return integer(0);
    const current = entry.expireAtMs;
    if (has('NX') && current !== undefined) return integer(0);
    if (has('XX') && current === undefined) return integer(0);
    if (has('GT') && (current === undefined || at <= current)) return integer(0);
    if (has('LT') && current !== undefined && at >= current) return integer(0);
    if (at <= BigInt(nowMs)) this.entries.delete(key);
    else entry.expireAtMs = at;
    return integer(1);
  }

  private set(words: readonly string[], nowMs: number): string {
    const [key = '', value = '', ...rest] = words;
    const options = parseSet(rest);
    if (options === undefined) return syntax;
    let expireAtMs: bigint | undefined;
    if (options.expiry !== undefined) {
      const { unit, amount } = options.expiry;
      const number = toInteger(amount);
      if (number === undefined) return notAnInteger;
      const seconds = unit === 'EX' || unit === 'EXAT';
      const at = (seconds ? number * 1000n : number) + (unit.endsWith('AT') ? 0n : BigInt(nowMs));
      if (number <= 0n || at > maxInteger) return "-ERR invalid expire time in 'set' command\r\n";
      expireAtMs = at;
    }
    const old = this.live(key, nowMs);
    const answer = options.get === true ? (old === undefined ? nil : bulk(old.value)) : undefined;
    const met =
      (options.condition !== 'NX' || old === undefined) &&
      (options.condition !== 'XX' || old !== undefined) &&
      (options.condition !== 'IFEQ' || old?.value === options.compared);
    if (!met) return answer ?? nil;
    if (options.keep === true) expireAtMs = old?.expireAtMs;
    if (expireAtMs !== undefined && expireAtMs <= BigInt(nowMs)) this.entries.delete(key);
    else this.entries.set(key, { value, expireAtMs });
    return answer ?? ok;
  }
}

function parseSet(words: readonly string[]): SetOptions | undefined {
  const options: SetOptions = {};
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const next = words[index + 1];
    if (word === 'NX' || word === 'XX') {
      if (options.condition !== undefined && options.condition !== word) return undefined;
      options.condition = word;
    } else if (word === 'IFEQ') {
      if (options.condition !== undefined || next === undefined) return undefined;
      options.condition = 'IFEQ';
      options.compared = next;
      index++;
    } else if (word === 'GET') options.get = true;
    else if (word === 'KEEPTTL') {
      if (options.expiry !== undefined) return undefined;
      options.keep = true;
    } else {
      if (!['EX', 'PX', 'EXAT', 'PXAT'].includes(word)) return undefined;
      if (next === undefined || options.keep === true) return undefined;
      if (options.expiry !== undefined && options.expiry.unit !== word) return undefined;
      options.expiry = { unit: word, amount: next };
      index++;
    }
  }
  return options;
}
