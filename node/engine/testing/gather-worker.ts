/**
 * One thread of the stress test of several copies: a writer whose writes gather with those of others, a
 * reader, or the home that seals batches and commits or takes them back as it likes, and keeps a
 * follower. The values are those of the other stress test. A writer waits for the fate of its batches, as a server
 * does with its replies; numbers that were taken back are never written again, and nobody may ever read one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { attachEngine } from '../engine.ts';
import type { WasmEngine } from '../instance.ts';
import { type Arena, Stop } from '../types.ts';
import { lead } from './harness.ts';
import { fill, frame, readValue } from './stress-values.ts';

export interface GatherOrder {
  readonly arena: Arena;
  readonly thread: number;
  readonly role: 'writer' | 'reader' | 'home' | 'replica-reader';
  /** Keys are pairs `{n}a`, `{n}b`; a writer owns every `writers`-th pair. */
  readonly pairs: number;
  readonly writers: number;
  readonly writer: number;
  readonly seed: number;
  /** Word 0: stop; the others: the number of each pair that was committed last. */
  readonly shared: SharedArrayBuffer;
  /** For each shard a ring of the fates of its batches. */
  readonly fates: SharedArrayBuffer;
  /** Of the home: where it keeps the follower. */
  readonly follower?: Arena;
}

export interface GatherReport {
  readonly violation?: string;
  readonly committed: number;
  readonly takenBack: number;
}

export const fateRing = 4096;
const order = workerData as GatherOrder;
const { thread, pairs, arena } = order;
const { shards } = arena.options;
const engine = attachEngine(arena, thread);
const connection = engine.openConnection();
const shared = new Int32Array(order.shared);
const fates = new Int32Array(order.fates);
const seen = new Int32Array(pairs);
let violation: string | undefined;
let committed = 0;
let takenBack = 0;
let state = order.seed;

function randomBelow(bound: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
}

const stops = (): boolean => Atomics.load(shared, 0) !== 0 || violation !== undefined;
const keysOf = (pair: number): [Buffer, Buffer] => [
  Buffer.from(`{${pair}}a`),
  Buffer.from(`{${pair}}b`),
];

type Dependency = readonly [shard: number, batch: number];

interface Ran {
  readonly reply: Buffer;
  readonly depends: readonly Dependency[];
}

if (order.role === 'replica-reader') engine.setReadOnly(connection, true);

/** Runs a chunk to its end, parking as a server would; undefined: the test ends meanwhile. */
async function run(bytes: Buffer): Promise<Ran | undefined> {
  const replies: Buffer[] = [];
  const depends: Dependency[] = [];
  let start = 0;
  while (!stops()) {
    // Another chunk of this thread may have been in the window while this one was parked.
    engine.input.set(bytes);
    const stop = engine.execute(connection, engine.input.byteOffset, start, bytes.length, 0, 1, 1);
    start = engine.result.consumed;
    replies.push(Buffer.from(engine.output.slice(0, engine.result.outputEnd)));
    const { count, shards: touched, batches } = engine.gathered;
    for (let index = 0; index < count; index++) {
      depends.push([touched[index] ?? 0, batches[index] ?? 0]);
    }
    if (stop === Stop.Done) return { reply: Buffer.concat(replies), depends };
    if (stop === Stop.Park) await engine.waitForShard(engine.result.shard, 5);
    else if (stop !== Stop.OutputFull) throw new Error(`stopped with ${stop}`);
  }
  return undefined;
}

/** Whether all of them were committed; undefined: the test ended before that was known. */
function fateOf(depends: readonly Dependency[]): boolean | undefined {
  let all = true;
  for (const [shard, batch] of depends) {
    const at = shard * fateRing + (batch % fateRing);
    for (;;) {
      const told = Atomics.load(fates, at);
      if (told >>> 1 === batch + 1) {
        all &&= (told & 1) === 1;
        break;
      }
      if (stops()) return undefined;
      Atomics.wait(fates, at, told, 20);
    }
  }
  return all;
}

async function write(): Promise<void> {
  const mine = Math.floor((pairs - order.writer + order.writers - 1) / order.writers);
  const chunk: Buffer[] = [];
  const written = new Map<number, number>();
  for (let index = 0; index < 3; index++) {
    const pair = order.writer + randomBelow(mine) * order.writers;
    const number = (seen[pair] ?? 0) + 1;
    seen[pair] = number;
    const [a, b] = keysOf(pair);
    const value = fill(pair, number);
    if (number % 7 === 0) chunk.push(frame(Buffer.from('DEL'), a, b));
    chunk.push(frame(Buffer.from('MSET'), a, value, b, value));
    written.set(pair, number);
  }
  const ran = await run(Buffer.concat(chunk));
  if (ran === undefined) return;
  if (ran.reply.includes('-'))
    throw new Error(`writer heard ${ran.reply.toString('latin1', 0, 99)}`);
  // Its next chunk comes before the first is resolved, and sees what it wrote.
  const [pair = 0] = written.keys();
  const looked = await run(frame(Buffer.from('MGET'), ...keysOf(pair)));
  if (looked === undefined) return;
  const found = readValue(looked.reply, looked.reply.indexOf('\r\n') + 2, pair);
  const fate = fateOf(ran.depends);
  const both = fateOf(looked.depends);
  if (fate === undefined || both === undefined) return;
  engine.settleConnection(connection);
  if (fate && found.number !== written.get(pair)) {
    violation ??= `pair ${pair}: wrote ${written.get(pair)}, then read ${found.number}`;
  }
  if (fate) for (const [one, number] of written) Atomics.store(shared, one + 1, number);
  if (fate) committed++;
  else takenBack++;
}

async function read(): Promise<void> {
  const chosen = Array.from({ length: 12 }, () => randomBelow(pairs));
  // A replica may be behind, but never goes back.
  const isReplica = order.role === 'replica-reader';
  const least = chosen.map((pair) => (isReplica ? 0 : Atomics.load(shared, pair + 1)));
  const ran = await run(
    Buffer.concat(chosen.map((pair) => frame(Buffer.from('MGET'), ...keysOf(pair)))),
  );
  if (ran === undefined) return;
  if (ran.depends.length > 0) violation ??= 'a reader depends on a batch';
  let at = 0;
  chosen.forEach((pair, index) => {
    // A copy that is made anew may not be read meanwhile.
    const isRefused = isReplica && ran.reply[at] === '-'.charCodeAt(0);
    at = ran.reply.indexOf('\r\n', at) + 2;
    if (isRefused) return;
    const a = readValue(ran.reply, at, pair);
    const b = readValue(ran.reply, a.next, pair);
    at = b.next;
    violation ??= a.broken ?? b.broken;
    const before = seen[pair] ?? 0;
    if (a.number !== b.number) violation ??= `pair ${pair}: half of ${a.number} and ${b.number}`;
    if (a.number >= 0 && a.number < before) {
      violation ??= `pair ${pair}: went back from ${before} to ${a.number}: uncommitted, or lost`;
    }
    if (Math.max(a.number, 0) < (least[index] ?? 0)) {
      violation ??= `pair ${pair}: lost ${least[index]}, found ${a.number}`;
    }
    if (a.number > before) seen[pair] = a.number;
  });
}

function tellFate(shard: number, batch: number, isCommitted: boolean): void {
  const at = shard * fateRing + (batch % fateRing);
  Atomics.store(fates, at, ((batch + 1) << 1) | (isCommitted ? 1 : 0));
  Atomics.notify(fates, at);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A thread of a broken build may stop while it holds a mutex: then not for ever. */
async function until(attempt: () => boolean): Promise<void> {
  let deadline = Number.POSITIVE_INFINITY;
  while (!attempt()) {
    if (stops()) deadline = Math.min(deadline, performance.now() + 2000);
    if (performance.now() > deadline) throw new Error('a shard stays busy');
    await turn();
  }
}

const epochs = new Map<number, number>();

/** Leads anew: what was gathered before is taken back. */
async function loseLeadership(shard: number): Promise<void> {
  const epoch = (epochs.get(shard) ?? 1) + 1;
  epochs.set(shard, epoch);
  engine.publish(shard, { role: 'starting' });
  if (randomBelow(2) === 0) lead(engine, shard, epoch);
  for (let turns = randomBelow(3); turns > 0; turns--) await turn();
  const batch = engine.batchNumber(shard);
  await until(() => engine.rollback(shard));
  if (engine.batchNumber(shard) !== batch) {
    takenBack++;
    tellFate(shard, batch, false);
  }
  lead(engine, shard, epoch);
}

/** Snapshots under way: where the next cut begins. */
const cursors = new Map<number, bigint>();

/** The follower loses its copy and gets another one, by cuts among the entries. */
async function beginSnapshot(follower: WasmEngine, shard: number): Promise<void> {
  await until(() => follower.dropShard(shard, 5));
  follower.createShard(shard);
  cursors.set(shard, 0n);
}

async function goOn(follower: WasmEngine, shard: number): Promise<void> {
  const from = cursors.get(shard);
  if (from === undefined) {
    if (randomBelow(60) === 0) await beginSnapshot(follower, shard);
    return;
  }
  const { cut, cursor } = engine.takeCut(shard, from, 1);
  await until(() => follower.installCut(shard, cut) === 'installed');
  if (cursor !== 0n) {
    cursors.set(shard, cursor);
    return;
  }
  cursors.delete(shard);
  follower.publish(shard, { role: 'elsewhere', replicaReadable: true });
}

async function home(follower: WasmEngine): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    await goOn(follower, shard);
    if (randomBelow(40) === 0) {
      await loseLeadership(shard);
      continue;
    }
    const sealed = engine.seal(shard);
    if (sealed === undefined || sealed === 'busy') continue;
    for (let turns = randomBelow(4); turns > 0; turns--) await turn();
    const commits = randomBelow(10) < 7;
    if (commits) {
      await until(() => engine.commit(shard));
      await until(() => follower.apply(shard, [sealed.content]));
      committed++;
    } else {
      await until(() => engine.rollback(shard));
      takenBack++;
    }
    tellFate(shard, sealed.batch, commits);
  }
  await turn();
}

/** The rest is taken back and snapshots end, so that leader and follower must be equal. */
async function endHome(): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    await until(() => engine.rollback(shard));
    while (follower !== undefined && cursors.has(shard)) await goOn(follower, shard);
  }
}

parentPort?.postMessage('ready');
const follower = order.follower === undefined ? undefined : attachEngine(order.follower, 0);
try {
  while (!stops()) {
    if (follower !== undefined) await home(follower);
    else if (order.role === 'writer') await write();
    else await read();
  }
  // A writer may still be inside its last call.
  if (order.role === 'home' && violation === undefined) await endHome();
} catch (error) {
  violation ??= `stopped: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
engine.closeConnection(connection);
engine.flush();
follower?.flush();
const report: GatherReport = {
  ...(violation === undefined ? {} : { violation }),
  committed,
  takenBack,
};
parentPort?.postMessage(report);
