import type { ScanOptions } from '../../engine/types.ts';
import type { Services } from '../context.ts';
import { serverLimits } from '../limits.ts';
import { ledShards } from '../shards.ts';
import { type ServerCommand, word } from './command.ts';

/**
 * A cursor is the shard above 52 bits of the engine's own. Shards are walked in order, so a cursor
 * stays good when shards come and go, and on a node that leads the same shards later.
 */
const shardShift = 52n;
const engineMask = (1n << shardShift) - 1n;

interface Options {
  readonly match: Buffer | undefined;
  readonly count: number;
  readonly nothingMatches: boolean;
}

export const scan: ServerCommand = {
  name: 'SCAN',
  arity: -2,
  run: async ({ arguments: given, services, reply }) => {
    const cursor = parseCursor(given[1]);
    if (cursor === undefined) {
      return reply.error('ERR invalid cursor');
    }
    const options = parseOptions(given.slice(2));
    if ('error' in options) {
      return reply.error(options.error);
    }
    const found = await collect(services, cursor, options);
    if (found === undefined) {
      return reply.error('TRYAGAIN The shard that the cursor is in is busy, try again later');
    }
    reply.array(2);
    reply.bulk(String(found.cursor));
    return reply.bulks(options.nothingMatches ? [] : found.keys);
  },
};

/** Keys from the cursor on; undefined: a shard could not be read for as long as a command may wait. */
async function collect(
  services: Services,
  from: bigint,
  options: Options,
): Promise<{ readonly cursor: bigint; readonly keys: readonly Uint8Array[] } | undefined> {
  const { engine, clock } = services;
  const deadlineMs = clock.monotonicMs() + services.settings().promiseMilliseconds;
  const shards = ledShards(engine);
  const keys: Uint8Array[] = [];
  let left = options.count;
  let shard = nextShard(shards, Number(from >> shardShift));
  // A shard that moved away since: its part of the cursor means nothing in the next one.
  let inner = shard === Number(from >> shardShift) ? from & engineMask : 0n;
  while (shard !== undefined) {
    if (inner === 0n && engine.shardStatistics(shard).keys === 0) {
      shard = nextShard(shards, shard + 1);
      continue;
    }
    const scanOptions: ScanOptions = {
      keysMax: left,
      bytesMax: serverLimits.scanBytesMax,
      withValues: false,
      ...(options.match === undefined ? {} : { match: options.match }),
    };
    const part = engine.scan(shard, inner, scanOptions, clock.nowMs(), clock.monotonicMs());
    if (part.status === 'park') {
      if (keys.length > 0) {
        return { cursor: encode(shard, inner), keys };
      }
      const waitMs = deadlineMs - clock.monotonicMs();
      if (waitMs <= 0) {
        return undefined;
      }
      await engine.waitForShard(shard, Math.ceil(waitMs));
      continue;
    }
    keys.push(...part.entries.map((entry) => entry.key));
    left -= Math.max(1, part.entries.length);
    inner = part.status === 'ok' ? part.cursor : 0n;
    if (inner === 0n) {
      shard = nextShard(shards, shard + 1);
    }
    if (left <= 0) {
      return { cursor: shard === undefined ? 0n : encode(shard, inner), keys };
    }
  }
  return { cursor: 0n, keys };
}

function encode(shard: number, inner: bigint): bigint {
  return (BigInt(shard) << shardShift) | inner;
}

function nextShard(shards: readonly number[], from: number): number | undefined {
  return shards.find((shard) => shard >= from);
}

function parseCursor(argument: Buffer | undefined): bigint | undefined {
  const text = argument?.toString('latin1') ?? '';
  if (!/^\d{1,20}$/.test(text)) {
    return undefined;
  }
  const cursor = BigInt(text);
  return cursor < 1n << 64n ? cursor : undefined;
}

function parseOptions(given: readonly Buffer[]): Options | { readonly error: string } {
  let match: Buffer | undefined;
  let count = 10;
  let nothingMatches = false;
  for (let index = 0; index < given.length; index += 2) {
    const option = word(given[index]);
    const value = given[index + 1];
    if (value === undefined) {
      return { error: 'ERR syntax error' };
    }
    if (option === 'COUNT') {
      const text = value.toString('latin1');
      if (!/^-?\d{1,18}$/.test(text)) {
        return { error: 'ERR value is not an integer or out of range' };
      }
      if (Number(text) < 1) {
        return { error: 'ERR syntax error' };
      }
      count = Math.min(Number(text), serverLimits.scanKeysMax);
    } else if (option === 'MATCH') {
      match = value.toString('latin1') === '*' ? undefined : value;
    } else if (option === 'TYPE') {
      nothingMatches = word(value) !== 'STRING';
    } else {
      return { error: 'ERR syntax error' };
    }
  }
  return { match, count, nothingMatches };
}
