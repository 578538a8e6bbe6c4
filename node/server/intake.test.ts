import { expect } from 'chai';
import { describe, it } from 'mocha';
import { makeHarness } from '../engine/testing/harness.ts';
import { systemClock } from './clock.ts';
import { Intake, type Sender } from './intake.ts';
import { serverLimits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { makeStatistics, ProcessStatistics, type ThreadStatistics } from './statistics.ts';
import { encode, RawClient } from './testing/raw-client.ts';
import { serve } from './testing/serve.ts';

function makeIntake({ full = false } = {}) {
  const { engine } = makeHarness({ budgetBytes: 8 << 20 });
  while (full && engine.allocateBuffer(1 << 16) !== 0);
  const { rows } = new ProcessStatistics(makeStatistics(1), 1);
  const statistics = rows[0] as ThreadStatistics;
  const outbox = new Outbox();
  const intake = new Intake({ engine, clock: systemClock(), outbox, statistics });
  const ran: string[] = [];
  const sender = (name: string): Sender => ({
    taken: false,
    runTaken(base, length) {
      ran.push(`${name}:${Buffer.from(engine.view(base, length)).toString()}`);
      return 1;
    },
  });
  return { intake, sender, ran, statistics };
}

describe('intake', () => {
  it('runs the chunks of a turn at its end, in the order in which they came', async () => {
    const { intake, sender, ran } = makeIntake();
    const [first, second] = [sender('a'), sender('b')];
    expect(intake.take(first, Buffer.from('one'))).to.equal(true);
    expect(intake.take(second, Buffer.from('two'))).to.equal(true);
    expect([first.taken, second.taken]).to.deep.equal([true, true]);
    expect(ran).to.deep.equal([]);
    await new Promise(setImmediate);
    expect(ran).to.deep.equal(['a:one', 'b:two']);
    expect([first.taken, second.taken]).to.deep.equal([false, false]);
    intake.take(second, Buffer.from('three'));
    await new Promise(setImmediate);
    expect(ran.slice(2)).to.deep.equal(['b:three']);
  });

  it('takes no long chunk, and nothing without memory', () => {
    const { intake, sender } = makeIntake();
    const { intakeChunkBytesMax } = serverLimits;
    expect(intake.take(sender('a'), Buffer.alloc(intakeChunkBytesMax))).to.equal(true);
    expect(intake.take(sender('b'), Buffer.alloc(intakeChunkBytesMax + 1))).to.equal(false);
    const poor = makeIntake({ full: true });
    const one = poor.sender('a');
    expect(poor.intake.take(one, Buffer.from('x'))).to.equal(false);
    expect(one.taken).to.equal(false);
  });

  for (const length of [1, serverLimits.intakeChunkBytesMax]) {
    it(`runs what it has when it is full, chunks of ${length}`, async () => {
      const { intake, sender, ran } = makeIntake();
      const count = serverLimits.intakeChunksMax * 2 + 1;
      for (let index = 0; index < count; index++) {
        expect(intake.take(sender(`${index}`), Buffer.alloc(length, 'x'))).to.equal(true);
      }
      expect(ran.length).to.be.greaterThan(count / 2);
      await new Promise(setImmediate);
      expect(ran).to.deep.equal(
        Array.from({ length: count }, (_, index) => `${index}:${'x'.repeat(length)}`),
      );
    });
  }

  it('counts the commands of all that came together', async () => {
    const { intake, sender, statistics } = makeIntake();
    for (const name of ['a', 'b', 'c']) intake.take(sender(name), Buffer.from('x'));
    await new Promise(setImmediate);
    let count = 0;
    for (let bucket = 0; bucket < 20; bucket++) count += statistics.bucket(bucket);
    expect(count).to.equal(3);
  });

  it('keeps the order of a connection between short and long chunks, and its last one', async () => {
    await using served = await serve();
    const long = 'v'.repeat(serverLimits.intakeChunkBytesMax);
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RawClient.connect(served.port)),
    );
    await Promise.all(
      clients.map(async (client, index) => {
        client.socket.setNoDelay(true);
        const key = `key${index}`;
        for (const value of ['short', long, 'end']) {
          client.send(encode(['SET', key, value]));
          client.send(encode(['GET', key]));
          // Only so are they chunks of their own.
          await new Promise(setImmediate);
        }
        client.socket.end(encode(['STRLEN', key]));
        const right = ['short', long, 'end'].map(
          (value) => `+OK\r\n$${value.length}\r\n${value}\r\n`,
        );
        const replies = `${right.join('')}:3\r\n`;
        expect(await client.read(replies.length)).to.equal(replies);
      }),
    );
  });
});
