/**
 * What a batch of three replicas costs their cores, without a shell: `node node/replication/core/core.bench.ts`.
 *
 * A batch is one `write` and two acknowledgements at the leader, one `entries` at each follower. The shell's
 * part (frames, sockets, the engine) is not in it; what it asks after each step (`wakeAtMs`, `leading`) is.
 */

import { ShardCore } from './core.ts';
import { epoch, generation, type Incarnation, incarnation, revision } from './identity.ts';
import type { Effect, Input } from './io.ts';
import type { ShardLease } from './lease.ts';

const members = ['demo-0/a', 'demo-1/b', 'demo-2/c'].map(incarnation);
const [leader] = members as [Incarnation];
const shards = 64;
const rounds = 8;
const batchesARound = 40_000;
const content = new Uint8Array(80);

interface Trio {
  readonly cores: ReadonlyMap<Incarnation, ShardCore>;
  committed: number;
}

let nowMs = 1_000;

const lease: ShardLease = {
  uid: 'u1',
  version: 'v1',
  revision: revision(1),
  epoch: epoch(0),
  generation: generation(1),
  leader: undefined,
  inSync: [],
  assignment: ['demo-0', 'demo-1', 'demo-2'],
};

const queue: { readonly trio: Trio; readonly self: Incarnation; readonly input: Input }[] = [];

/** Inputs that come while another is stepped wait their turn. */
function step(trio: Trio, self: Incarnation, input: Input): void {
  queue.push({ trio, self, input });
  if (queue.length > 1) return;
  for (let at = 0; at < queue.length; at++) {
    const next = queue[at] as (typeof queue)[number];
    stepOne(next.trio, next.self, next.input);
  }
  queue.length = 0;
}

function stepOne(trio: Trio, self: Incarnation, input: Input): void {
  const core = trio.cores.get(self) as ShardCore;
  const effects = core.step(input, nowMs);
  asked += core.wakeAtMs ?? 0;
  asked += core.leading?.epoch ?? 0;
  for (const effect of effects) carryOut(trio, self, effect);
}

/** Keeps what the shell would ask from being optimised away. */
let asked = 0;

function carryOut(trio: Trio, self: Incarnation, effect: Effect): void {
  if (effect.kind === 'send') {
    step(trio, effect.to, { kind: 'message', from: self, message: effect.message });
  } else if (effect.kind === 'commit') {
    trio.committed = effect.sequence;
  } else if (effect.kind === 'create-data') {
    step(trio, self, { kind: 'data-created' });
  } else if (effect.kind === 'write-lease') {
    const { cause: _, ...edit } = effect.edit;
    const next = revision(effect.base.revision + 1);
    const won = { ...effect.base, ...edit, revision: next, version: `v${next}` };
    for (const one of members) {
      if (one !== self) step(trio, one, { kind: 'observed', lease: won });
    }
    step(trio, self, { kind: 'won', request: effect.request, lease: won });
  }
}

function promise(trio: Trio): void {
  const leading = trio.cores.get(leader)?.leading;
  if (leading === undefined) return;
  for (const by of members.slice(1)) {
    step(trio, leader, { kind: 'promised', by, epoch: leading.epoch, untilMs: nowMs + 940 });
    trio.cores.get(by)?.promise({ shard: 0, ...leading }, leader, nowMs + 1_000);
  }
}

function trioOf(): Trio {
  const cores = new Map(
    members.map((self) => [
      self,
      new ShardCore({
        self,
        gone: new Set(),
        totalLoss: 'Hold',
        seed: 1,
        replication: { minInSync: 2, promiseMs: 1_000, logBytesMax: 1024 * 1024 },
      }),
    ]),
  );
  const trio = { cores, committed: 0 };
  for (const self of members) step(trio, self, { kind: 'observed', lease });
  for (const self of members) {
    for (const other of members) {
      if (other !== self) step(trio, self, { kind: 'peer', incarnation: other, state: 'up' });
    }
  }
  promise(trio);
  return trio;
}

/** Time passes for all of them: what was not answered is sent again, the set grows. */
function settle(trios: readonly Trio[]): void {
  for (let tries = 0; tries < 5; tries++) {
    nowMs += 300;
    for (const trio of trios) {
      promise(trio);
      for (const self of members) step(trio, self, { kind: 'tick' });
    }
  }
}

function batch(trio: Trio): void {
  const core = trio.cores.get(leader) as ShardCore;
  const sequence = core.positions.last.sequence + 1;
  const executedIn = core.leading?.epoch ?? epoch(0);
  step(trio, leader, {
    kind: 'write',
    epoch: executedIn,
    entries: [{ sequence, content, checksum: 1 }],
  });
  if (trio.committed !== sequence) throw new Error(`batch ${sequence} did not commit`);
}

const trios = Array.from({ length: shards }, trioOf);
settle(trios);
const batchNs: number[] = [];
const promiseNs: number[] = [];
for (let round = 0; round < rounds; round++) {
  let startUs = busyUs();
  for (let at = 0; at < batchesARound; at++) {
    batch(trios[at % shards] as Trio);
    nowMs += 0.001;
  }
  batchNs.push(((busyUs() - startUs) * 1e3) / batchesARound);
  startUs = busyUs();
  for (const trio of trios) promise(trio);
  promiseNs.push(((busyUs() - startUs) * 1e3) / shards / 2);
}

/** CPU time: others may share the machine. */
function busyUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const best = (values: readonly number[]): string => Math.min(...values).toFixed(0);
console.log(`${best(batchNs)} ns a batch of 3 replicas, ${best(promiseNs)} ns a promise`);
if (asked === 0) throw new Error('unreachable');
