/** A small arena with one engine, for tests and benchmarks: all shards led, commands as text. */
import { expect } from 'chai';
import { attachEngine, createArena } from '../engine.ts';
import type { WasmEngine } from '../instance.ts';
import { loadEngineModule } from '../load.ts';
import { type Arena, type ArenaOptions, Stop } from '../types.ts';

export const defaultOptions: ArenaOptions = {
  reservedBytes: 64 << 20,
  budgetBytes: 48 << 20,
  threads: 1,
  shards: 4,
  hashSeed: 0x1234_5678_9abc_def0n,
  keyBytesMax: 65_536,
  valueBytesMax: 16 << 20,
};

export function leadAll(engine: WasmEngine): void {
  for (let shard = 0; shard < engine.arena.options.shards; shard++) {
    engine.createShard(shard);
    lead(engine, shard);
  }
}

export function lead(engine: WasmEngine, shard: number, epoch = 1): void {
  engine.publish(shard, {
    role: 'leader',
    epoch,
    generation: 1,
    readUntilMs: Number.POSITIVE_INFINITY,
    writable: true,
  });
}

let released: WebAssembly.Module | undefined;

/** The released module, compiled once for all tests of the process. */
export function releasedModule(): WebAssembly.Module {
  released ??= loadEngineModule();
  return released;
}

export interface Harness {
  readonly arena: Arena;
  readonly engine: WasmEngine;
  readonly connection: number;
}

export function makeHarness(
  options: Partial<ArenaOptions> = {},
  module: WebAssembly.Module = releasedModule(),
): Harness {
  const arena = createArena({ ...defaultOptions, ...options }, module);
  const engine = attachEngine(arena, 0);
  leadAll(engine);
  return { arena, engine, connection: engine.openConnection() };
}

/** A command as a RESP frame; latin1 text stands for bytes. */
export function frame(...words: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word, 'latin1') : Buffer.from(word);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export interface Answer {
  readonly stop: Stop;
  /** Replies as latin1 text; long values included. */
  readonly text: string;
  /** Bytes of the input that are consumed. */
  readonly consumed: number;
}

/**
 * Runs bytes to their end: goes on after full windows, sends long values, and turns commands for
 * JavaScript into `<CALL name>`.
 */
export function runBytes(
  { engine, connection }: Harness,
  bytes: Uint8Array,
  nowMs = 1_000_000,
  monotonicMs = 1,
): Answer {
  const long = bytes.length > engine.input.length;
  const base = long ? engine.allocateBuffer(bytes.length) : engine.input.byteOffset;
  if (base === 0) return { stop: Stop.Done, text: '<NO BUFFER>', consumed: 0 };
  engine.view(base, bytes.length).set(bytes);
  let text = '';
  let start = 0;
  let stop: Stop;
  for (;;) {
    stop = engine.execute(connection, base, start, bytes.length, 0, nowMs, monotonicMs);
    text += Buffer.from(engine.output.slice(0, engine.result.outputEnd)).toString('latin1');
    start = engine.result.consumed;
    if (stop === Stop.LongValue) {
      const { address, length } = engine.result;
      text += `${Buffer.from(engine.view(address, length).slice()).toString('latin1')}\r\n`;
      engine.unpin(address);
    } else if (stop === Stop.Call) {
      const name = engine.result.arguments[0] ?? new Uint8Array(0);
      text += `<CALL ${Buffer.from(name.slice()).toString('latin1')}>`;
    } else if (stop !== Stop.OutputFull) break;
  }
  if (long) engine.freeBuffer(base);
  return { stop, text, consumed: start };
}

/** Runs one command and returns its reply. */
export function run(harness: Harness, words: readonly string[], nowMs = 1_000_000): string {
  return runBytes(harness, frame(...words), nowMs).text;
}

/** All that is stored, as text, told by a scan of every shard. */
export function contents({ engine }: Harness, nowMs = 1_000_000): string[] {
  const told: string[] = [];
  for (let shard = 0; shard < engine.arena.options.shards; shard++) {
    let cursor = 0n;
    do {
      const options = { keysMax: 100, bytesMax: 100_000, withValues: true };
      const result = engine.scan(shard, cursor, options, nowMs, 1);
      for (const { key, value, version, expireAtMs } of result.entries) {
        const words = [
          Buffer.from(key).toString('latin1'),
          Buffer.from(value ?? []).toString('latin1'),
        ];
        told.push(`${words.join('=')} ${version} ${expireAtMs}`);
      }
      cursor = result.cursor;
    } while (cursor !== 0n);
  }
  return told.sort();
}

/** After a run: nothing but what is stored is still allocated. */
export function expectNoLeak(harness: Harness): void {
  const { engine } = harness;
  for (let shard = 0; shard < engine.arena.options.shards; shard++) {
    engine.publish(shard, { role: 'elsewhere' });
    for (let turn = 0; turn < 1000 && !engine.dropShard(shard, 100); turn++);
  }
  engine.closeConnection(harness.connection);
  engine.flush();
  const { records, index, buffers, used } = engine.memoryStatistics();
  expect({ records, index, buffers, used }).to.deep.equal({
    records: 0,
    index: 0,
    buffers: 0,
    used: 0,
  });
}
