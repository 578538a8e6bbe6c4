/** KeyValue.Scan: pages of keys, shard after shard, each with a token that any node can go on from. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ScanRequest, ScanResponse } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { ScanOptions, ScanResult } from '../../engine/types.ts';
import type { Patience } from './batch.ts';
import { CallError, patienceOf, writeMessage } from './calls.ts';
import type { GrpcContext } from './context.ts';
import { notLeader } from './leaders.ts';
import {
  PARK_MS_MAX,
  PARK_STEP_MS_MAX,
  RETRY_AFTER_MS,
  SCAN_MATCH_BYTES_MAX,
  SCAN_PAGE_BYTES_MAX,
  SCAN_PAGE_KEYS_DEFAULT,
  SCAN_PAGE_KEYS_MAX,
} from './limits.ts';
import { operationError } from './status.ts';
import { readScanToken, type ScanToken, writeScanToken, writeVersion } from './tokens.ts';

type ScanCall = ServerWritableStream<ScanRequest, ScanResponse>;

export async function runScan(context: GrpcContext, call: ScanCall): Promise<void> {
  const { request } = call;
  const shards = shardsOf(context, request);
  const options = optionsOf(request);
  const token = tokenOf(request, shards);
  const patience = patienceOf(call, context.clock);
  let told = 0n;
  for (
    let place = token === undefined ? 0 : shards.indexOf(token.shard);
    place < shards.length;
    place++
  ) {
    const shard = shards[place] ?? 0;
    const resumed = token?.shard === shard ? token : undefined;
    let cursor = resumed?.cursor ?? 0n;
    do {
      const { generation, result } = await readPage(context, { shard, cursor, options, patience });
      checkGeneration(resumed, generation);
      cursor = result.cursor;
      const next = nextToken(shards, { place, cursor, generation });
      told += BigInt(result.entries.length);
      const page = {
        entries: result.entries.map((entry) => entryOf(entry, generation)),
        resumeToken: next,
        shard,
      };
      if (!(await writeMessage(call, page))) return;
      if (request.limit > 0n && told >= request.limit) return;
      // One page a turn of the loop: a scan must not hold up what else the thread serves.
      await new Promise(setImmediate);
    } while (cursor !== 0n);
  }
}

interface Place {
  readonly shard: number;
  readonly cursor: bigint;
  readonly options: ScanOptions;
  readonly patience: Patience;
}

/** Waits while the shard is parked, as long as a batch would. */
async function readPage(
  context: GrpcContext,
  { shard, cursor, options, patience }: Place,
): Promise<{ generation: number; result: ScanResult }> {
  const { engine, clock } = context;
  const untilMs = Math.min(patience.deadlineMs, clock.monotonicMs() + PARK_MS_MAX);
  for (;;) {
    const serving = engine.serving(shard);
    const result = engine.scan(shard, cursor, options, clock.nowMs(), clock.monotonicMs());
    if (result.status === 'not-leader') throw new CallError(notLeader(context, shard));
    if (result.status === 'ok' && serving.role === 'leader') {
      return { generation: serving.generation, result };
    }
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0 || patience.cancelled()) {
      throw new CallError(
        operationError('NO_LEADER', `shard ${shard} is changing its leader`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
    }
    await engine.waitForShard(shard, Math.min(leftMs, PARK_STEP_MS_MAX));
  }
}

function entryOf(
  entry: ScanResult['entries'][number],
  generation: number,
): ScanResponse['entries'][number] {
  return {
    key: entry.key,
    version: writeVersion({ generation, version: entry.version ?? 0n }),
    ...(entry.value === undefined ? {} : { value: entry.value }),
    ...(entry.expireAtMs === undefined ? {} : { expireAtMs: BigInt(entry.expireAtMs) }),
  };
}

/** Empty behind the last page. At the end of a shard: the beginning of the next, of whatever generation. */
function nextToken(
  shards: readonly number[],
  { place, cursor, generation }: { place: number; cursor: bigint; generation: number },
): Uint8Array {
  if (cursor !== 0n) return writeScanToken({ shard: shards[place] ?? 0, generation, cursor });
  const next = shards[place + 1];
  if (next === undefined) return new Uint8Array(0);
  return writeScanToken({ shard: next, generation: 0, cursor: 0n });
}

function checkGeneration(token: ScanToken | undefined, generation: number): void {
  if (token === undefined || token.cursor === 0n || token.generation === generation) return;
  throw new CallError(
    operationError(
      'GENERATION_CHANGED',
      `shard ${token.shard} lost its data and began again empty during the scan`,
    ),
  );
}

function shardsOf({ engine }: GrpcContext, { shards }: ScanRequest): readonly number[] {
  const total = engine.arena.options.shards;
  if (shards.length === 0) return Array.from({ length: total }, (_, shard) => shard);
  const wrong = shards.find((shard) => shard >= total);
  if (wrong !== undefined) throw invalid(`shards must be below ${total}; ${wrong} is not`);
  if (new Set(shards).size < shards.length) throw invalid('shards must not name one twice');
  return shards;
}

function optionsOf(request: ScanRequest): ScanOptions {
  const { pageSize, match, withValues } = request;
  if (pageSize > SCAN_PAGE_KEYS_MAX)
    throw invalid(`page_size must be at most ${SCAN_PAGE_KEYS_MAX}`);
  if (match.length > SCAN_MATCH_BYTES_MAX)
    throw invalid(`match must have at most ${SCAN_MATCH_BYTES_MAX} bytes`);
  return {
    keysMax: pageSize === 0 ? SCAN_PAGE_KEYS_DEFAULT : pageSize,
    bytesMax: SCAN_PAGE_BYTES_MAX,
    withValues,
    ...(match.length === 0 ? {} : { match }),
  };
}

function tokenOf({ resumeToken }: ScanRequest, shards: readonly number[]): ScanToken | undefined {
  if (resumeToken.length === 0) return undefined;
  const token = readScanToken(resumeToken);
  if (token === undefined) throw invalid('resume_token must be one that a page came with');
  if (!shards.includes(token.shard))
    throw invalid('resume_token is of a shard that shards does not name');
  return token;
}

function invalid(message: string): CallError {
  return new CallError(operationError('INVALID', message));
}
