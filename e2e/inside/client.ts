/** Writes and reads many keys with our own client, knowing one node at first. */
import { connect, op } from '@r-db/client/mod.ts';

export interface ClientTask {
  readonly address: string;
  readonly keys: number;
  readonly prefix: string;
}

export interface ClientAnswer {
  readonly good: number;
  readonly scanned: number;
  readonly counted: string;
  readonly deleted: number;
  readonly shards: number;
  readonly leaders: readonly string[];
}

const { address, keys, prefix } = JSON.parse(process.argv[2] ?? '') as ClientTask;
const names = Array.from({ length: keys }, (_, index) => `${prefix}:${index}`);
await using client = await connect({ addresses: [address] });
await client.batch(names.map((name) => op.set(name, `value of ${name}`)));
const values = await client.batch(names.map((name) => op.get(name)));
let scanned = 0;
for await (const { key } of client.scan()) {
  if (Buffer.from(key).toString().startsWith(`${prefix}:`)) scanned++;
}
for (let turn = 0; turn < 10; turn++) await client.increment(`${prefix}:counter`, 5);
const counter = await client.get(`${prefix}:counter`);
const deleted = await Promise.all(names.map((name) => client.delete(name)));
const { shards } = client.topology();
const answer: ClientAnswer = {
  good: values.filter((each, index) => each.ok && each.value?.text === `value of ${names[index]}`)
    .length,
  scanned,
  counted: counter?.text ?? '',
  deleted: deleted.filter(Boolean).length,
  shards: shards.length,
  leaders: [...new Set(shards.flatMap(({ leader }) => leader ?? []))].sort(),
};
process.stdout.write(JSON.stringify(answer));
