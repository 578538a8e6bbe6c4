/**
 * One thread of the stress test: a writer or a reader over a shared arena.
 *
 * Every value tells its key, a number that only rises, and is filled with a pattern that follows from
 * both. A reader so notices a torn or freed record (the pattern is wrong), a stale or lost one (the
 * number went back), and a batch that became visible half (the two keys of an MSET differ).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachEngine } from '../engine.ts';
import { type Arena, Stop } from '../types.ts';
import { fill, frame, readValue, type Value } from './stress-values.ts';

export interface StressOrder {
  readonly arena: Arena;
  readonly thread: number;
  readonly role: 'reader' | 'writer';
  /** Keys are pairs `{n}a`, `{n}b`; a writer owns every `writers`-th pair. */
  readonly pairs: number;
  readonly writers: number;
  readonly writer: number;
  /** Word 0: stop; the others: the number last written to each pair. */
  readonly shared: SharedArrayBuffer;
}

export interface StressReport {
  readonly violation?: string;
  readonly commands: number;
}

const order = workerData as StressOrder;
const engine = attachEngine(order.arena, order.thread);
const connection = engine.openConnection();
const shared = new Int32Array(order.shared);
const chunkCommands = 16;
const seen = new Int32Array(order.pairs);
let violation: string | undefined;
let commands = 0;

function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound);
}

/** Runs a chunk to its end, parking as a server would; returns all replies. */
async function run(bytes: Buffer): Promise<Buffer> {
  const replies: Buffer[] = [];
  engine.input.set(bytes);
  let start = 0;
  for (;;) {
    const stop = engine.execute(connection, engine.input.byteOffset, start, bytes.length, 0, 1, 1);
    start = engine.result.consumed;
    replies.push(Buffer.from(engine.output.slice(0, engine.result.outputEnd)));
    if (stop === Stop.Done) return Buffer.concat(replies);
    if (stop === Stop.Park) await engine.waitForShard(engine.result.shard, 5);
    else if (stop !== Stop.OutputFull) throw new Error(`stopped with ${stop}`);
  }
}

async function write(): Promise<void> {
  const mine = Math.floor((order.pairs - order.writer + order.writers - 1) / order.writers);
  const chunk: Buffer[] = [];
  const written: [pair: number, number: number][] = [];
  for (let index = 0; index < 4; index++) {
    const pair = order.writer + randomBelow(mine) * order.writers;
    const number = (seen[pair] ?? 0) + 1;
    seen[pair] = number;
    const a = Buffer.from(`{${pair}}a`);
    const b = Buffer.from(`{${pair}}b`);
    const value = fill(pair, number);
    if (number % 7 === 0) chunk.push(frame(Buffer.from('DEL'), a, b));
    chunk.push(frame(Buffer.from('MSET'), a, value, b, value));
    written.push([pair, number]);
  }
  const reply = await run(Buffer.concat(chunk));
  commands += chunk.length;
  if (reply.includes('-'))
    throw new Error(`writer heard ${reply.toString('latin1').slice(0, 100)}`);
  for (const [pair, number] of written) Atomics.store(shared, pair + 1, number);
}

function check(reply: Buffer, at: number, pair: number): Value {
  const value = readValue(reply, at, pair);
  if (value.broken !== undefined) violation ??= value.broken;
  return value;
}

async function read(): Promise<void> {
  const pairs = Array.from({ length: chunkCommands }, () => randomBelow(order.pairs));
  // What was acknowledged before the read was sent must be in its answer.
  const least = pairs.map((pair) => Atomics.load(shared, pair + 1));
  const chunk = pairs.map((pair) =>
    frame(Buffer.from('MGET'), Buffer.from(`{${pair}}a`), Buffer.from(`{${pair}}b`)),
  );
  const reply = await run(Buffer.concat(chunk));
  commands += chunk.length;
  let at = 0;
  pairs.forEach((pair, index) => {
    at = reply.indexOf('\r\n', at) + 2;
    const a = check(reply, at, pair);
    const b = check(reply, a.next, pair);
    at = b.next;
    if (a.number !== b.number)
      violation ??= `pair ${pair}: half a batch, ${a.number} and ${b.number}`;
    if (a.number >= 0 && a.number < (seen[pair] ?? 0)) {
      violation ??= `pair ${pair}: went back from ${seen[pair]} to ${a.number}`;
    }
    if (a.number < (least[index] ?? 0) && !(a.number === -1 && (least[index] ?? 0) === 0)) {
      violation ??= `pair ${pair}: lost ${least[index]}, found ${a.number}`;
    }
    if (a.number > (seen[pair] ?? 0)) seen[pair] = a.number;
  });
}

async function work(): Promise<void> {
  while (Atomics.load(shared, 0) === 0 && violation === undefined) {
    if (order.role === 'writer') await write();
    else await read();
  }
}

parentPort?.postMessage('ready');
try {
  await work();
} catch (error) {
  violation ??= `stopped: ${error instanceof Error ? error.message : String(error)}`;
}
engine.closeConnection(connection);
engine.flush();
const report: StressReport = violation === undefined ? { commands } : { commands, violation };
parentPort?.postMessage(report);
