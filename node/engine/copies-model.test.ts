import { expect } from 'chai';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { command } from './testing/commands.ts';
import {
  contents,
  expectNoLeak,
  frame,
  type Harness,
  lead,
  makeHarness,
  run,
  runBytes,
} from './testing/harness.ts';
import { Model } from './testing/model.ts';
import { narrowModule } from './testing/variants.ts';

const valueBytesMax = 200_000;
const options = {
  valueBytesMax,
  shards: 1,
  reservedBytes: 24 << 20,
  budgetBytes: 16 << 20,
} as const;

const action = fc.oneof(
  { weight: 6, arbitrary: fc.array(command, { minLength: 1, maxLength: 8 }) },
  { weight: 2, arbitrary: fc.constantFrom('commit', 'rollback') },
  { weight: 2, arbitrary: fc.constantFrom('cut', 'apply') },
  fc.constant('sweep'),
  fc.integer({ min: 1, max: 30_000 }),
);
type Action = string[][] | string | number;

/** A follower: entries wait for their commit, cuts are put at once, all in the order of one stream. */
class Follower {
  readonly harness: Harness;
  #waiting: Uint8Array[] = [];
  constructor(module: WebAssembly.Module | undefined) {
    this.harness = makeHarness(options, module);
    this.harness.engine.publish(0, { role: 'elsewhere' });
  }
  committed(content: Uint8Array): void {
    this.#waiting.push(content);
  }
  apply(): void {
    expect(this.harness.engine.apply(0, this.#waiting)).to.equal(true);
    this.#waiting = [];
  }
}

/** A leader with two followers, one from the beginning and one that is brought up by a snapshot on the way. */
class Cluster {
  readonly leader: Harness;
  readonly early: Follower;
  readonly late: Follower;
  #model = new Model(valueBytesMax);
  #committed = new Map(this.#model.entries);
  #nowMs = 1_000_000;
  /** Of the snapshot; undefined: not begun, 0n: at its end, or beginning. */
  #cursor: bigint | undefined;
  #isCut = false;

  constructor(module: WebAssembly.Module | undefined) {
    this.leader = makeHarness(options, module);
    expect(this.leader.engine.setReplicated(0, true)).to.equal(true);
    this.early = new Follower(module);
    this.late = new Follower(module);
  }

  act(one: Action): void {
    if (typeof one === 'number') this.#nowMs += one;
    else if (typeof one !== 'string') this.#run(one);
    else if (one === 'cut') this.#cut();
    else if (one === 'apply') this.#apply();
    else if (one === 'sweep') this.leader.engine.sweep([0], 5, this.#nowMs);
    else this.#resolve(one === 'commit');
  }

  #run(commands: readonly string[][]): void {
    const bytes = Buffer.concat(commands.map((words) => frame(...words)));
    const expected = commands.map((words) => this.#model.run(words, this.#nowMs)).join('');
    expect(runBytes(this.leader, bytes, this.#nowMs).text).to.equal(expected);
    // Somebody else sees what is committed, and nothing of this.
    const { engine } = this.leader;
    const other = { ...this.leader, connection: engine.openConnection() };
    const committed = new Model(valueBytesMax);
    for (const [key, entry] of this.#committed) committed.entries.set(key, entry);
    for (const words of commands.filter(([name]) => name === 'MGET' || name === 'TTL')) {
      expect(run(other, words, this.#nowMs)).to.equal(committed.run(words, this.#nowMs));
      expect(engine.gathered.count).to.equal(0);
    }
    engine.closeConnection(other.connection);
  }

  #resolve(commits: boolean): void {
    const { engine, connection } = this.leader;
    const batch = engine.seal(0);
    if (batch === 'busy') throw new Error('nobody else is there');
    if (batch !== undefined && commits) {
      expect(engine.commit(0)).to.equal(true);
      this.early.committed(batch.content);
      if (this.#cursor !== undefined) this.late.committed(batch.content);
    } else if (batch !== undefined) {
      expect(engine.rollback(0)).to.equal(true);
    }
    engine.settleConnection(connection);
    const from = commits ? this.#model.entries : this.#committed;
    const copy = [...from].map(([key, entry]) => [key, { ...entry }] as const);
    this.#committed = new Map(copy);
    this.#model = new Model(valueBytesMax);
    for (const [key, entry] of copy) this.#model.entries.set(key, { ...entry });
  }

  #cut(): void {
    if (this.#isCut) return;
    const { cut, cursor } = this.leader.engine.takeCut(0, this.#cursor ?? 0n, 1);
    // What was committed before comes before, as in one stream.
    this.late.apply();
    expect(this.late.harness.engine.installCut(0, cut)).to.equal('installed');
    this.#cursor = cursor;
    this.#isCut = cursor === 0n;
  }

  #apply(): void {
    this.early.apply();
    this.late.apply();
  }

  /** All copies are equal, and equal to the model; nothing is left behind. */
  finish(): void {
    this.#resolve(true);
    while (!this.#isCut) this.#cut();
    this.#apply();
    const expected = contents(this.leader, this.#nowMs);
    const live = [...this.#model.entries].filter(
      ([, { expireAtMs }]) => expireAtMs === undefined || expireAtMs > BigInt(this.#nowMs),
    );
    expect(expected.length).to.equal(live.length);
    for (const { harness } of [this.early, this.late]) {
      const { engine } = harness;
      expect(engine.shardStatistics(0)).to.deep.equal(this.leader.engine.shardStatistics(0));
      lead(engine, 0, 2);
      expect(contents(harness, this.#nowMs)).to.deep.equal(expected);
      for (const [key] of this.#model.entries) {
        for (const words of [
          ['GET', key],
          ['PTTL', key],
        ]) {
          const reply = this.#model.run(words, this.#nowMs);
          expect(run(harness, words, this.#nowMs)).to.equal(reply);
        }
      }
    }
    for (const harness of [this.leader, this.early.harness, this.late.harness]) {
      expectNoLeak(harness);
    }
  }
}

describe('copies against a plain model', function () {
  this.timeout(60_000);
  const actions = fc.array(action, { minLength: 1, maxLength: 30 });

  it('agree after any commits, rollbacks and cuts, and leave nothing behind', () => {
    fc.assert(
      fc.property(actions, (some) => {
        const cluster = new Cluster(undefined);
        for (const one of some) cluster.act(one);
        cluster.finish();
      }),
      { numRuns: 150 },
    );
  });

  it('do so with values outside of their records and with chained tables', async () => {
    const module = await narrowModule();
    fc.assert(
      fc.property(actions, (some) => {
        const cluster = new Cluster(module);
        for (const one of some) cluster.act(one);
        cluster.finish();
      }),
      { numRuns: 50 },
    );
  });
});
