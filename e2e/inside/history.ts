/**
 * A process of recorded clients. It says what it does on standard output, a word a line: `going` once every
 * shard has answered. On standard input it is told `stop` (answers `stopped`), `read` (reads every key,
 * answers `read`), and `write` (writes the history to the file, and ends).
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcConnect } from '../history/grpc-store.ts';
import { allKeys, shardKeys } from '../history/keys.ts';
import { grpcIntervalMs, respIntervalMs, stuckMs } from '../history/limits.ts';
import { toLines } from '../history/operation.ts';
import { Recorder } from '../history/recorder.ts';
import { respConnect } from '../history/resp-store.ts';

export interface HistoryTask {
  readonly protocol: 'resp' | 'grpc';
  /** Of nodes, `host:port` of the protocol. */
  readonly addresses: readonly string[];
  readonly shards: number;
  readonly prefix: string;
  readonly file: string;
}

const task = JSON.parse(process.argv[2] ?? '') as HistoryTask;
const { protocol, addresses, shards, prefix, file } = task;
const keys = shardKeys(prefix, shards);
const client =
  protocol === 'grpc'
    ? await grpcConnect(addresses)
    : { connect: respConnect(addresses), close: async () => {} };
const recorder = new Recorder({
  name: protocol,
  connect: client.connect,
  keys,
  intervalMs: protocol === 'grpc' ? grpcIntervalMs : respIntervalMs,
});
while (!recorder.going) await sleep(stuckMs);
say('going');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') {
    await recorder.stop();
    say('stopped');
  } else if (line === 'read') {
    await recorder.readAll(allKeys(keys));
    say('read');
  } else if (line === 'write') {
    writeFileSync(file, toLines(recorder.history));
    await client.close();
    process.exit(0);
  }
}
// Whoever was to ask for the history is gone.
process.exit(1);

function say(word: string): void {
  process.stdout.write(`${word}\n`);
}
