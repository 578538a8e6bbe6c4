/** Runs chunks through an engine as a connection's thread would, and takes the time. */
import { type Engine, Stop } from '@r-db/node/engine/types.ts';
import { WrongAnswerError } from '../errors.ts';
import { percentile } from '../statistics.ts';
import { type Chunk, type ChunkOptions, makeChunk } from './chunks.ts';

export interface EngineRun {
  readonly commands: number;
  /** Mean over all chunks: rare work, such as the growth of a table, is in it, and so is other processes'. */
  readonly meanNs: number;
  /** That of the chunk in the middle: what is rare is not in it. */
  readonly medianNs: number;
  /** The longest call of a chunk: a pause that other connections of the thread feel. */
  readonly longestChunkNs: number;
}

/** Chunks made before the clock starts; enough of them that their keys don't stay in the caches. */
const chunksAtOnce = 4096;

/** Throws WrongAnswerError at the first reply that is not the right one. */
export function runEngine(engine: Engine, commands: number, options: ChunkOptions): EngineRun {
  const connection = engine.openConnection();
  const base = engine.input.byteOffset;
  const nowMs = Date.now();
  const timesNs: number[] = [];
  let done = 0;
  while (done < commands) {
    const chunks: Chunk[] = [];
    for (let made = 0; made < chunksAtOnce && done + made * options.depth < commands; made++) {
      chunks.push(makeChunk(done + made * options.depth, options));
    }
    for (const chunk of chunks) {
      const begin = process.hrtime.bigint();
      engine.input.set(chunk.bytes);
      const stop = engine.execute(connection, base, 0, chunk.bytes.length, 0, nowMs, 0);
      const elapsed = Number(process.hrtime.bigint() - begin);
      check(engine, stop, chunk);
      timesNs.push(elapsed);
      done += chunk.commands;
    }
  }
  engine.closeConnection(connection);
  return {
    commands: done,
    meanNs: timesNs.reduce((sum, time) => sum + time, 0) / done,
    medianNs: percentile(timesNs, 0.5) / options.depth,
    longestChunkNs: percentile(timesNs, 1),
  };
}

function check(engine: Engine, stop: Stop, chunk: Chunk): void {
  const { consumed, outputEnd } = engine.result;
  const reply = engine.output.subarray(0, outputEnd);
  const right = chunk.reply === undefined ? reply[0] === 0x3a : chunk.reply.compare(reply) === 0;
  if (stop === Stop.Done && consumed === chunk.bytes.length && right) return;
  const got = Buffer.from(reply.subarray(0, 80)).toString('latin1');
  throw new WrongAnswerError(
    `the engine stopped with ${stop} at ${consumed} of ${chunk.bytes.length} bytes and answered ${JSON.stringify(got)}`,
  );
}
