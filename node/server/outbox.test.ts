import { expect } from 'chai';
import { describe, it } from 'mocha';
import { serverLimits } from './limits.ts';
import { Outbox, type Recipient } from './outbox.ts';

/** Takes everything at once, or nothing: then what it was given must stay as it is. */
class Reader implements Recipient {
  outStart = 0;
  outEnd = 0;
  holdsOutbox = false;
  slow = false;
  readonly writes: Uint8Array[] = [];

  write(bytes: Uint8Array): boolean {
    this.writes.push(this.slow ? bytes : Uint8Array.from(bytes));
    return !this.slow;
  }

  text(): string {
    return Buffer.concat(this.writes).toString();
  }
}

function append(outbox: Outbox, to: Reader, text: string): void {
  const bytes = Buffer.from(text);
  outbox.append(to, bytes, bytes.length);
}

describe('outbox', () => {
  it('makes one write a turn of what one connection is told', async () => {
    const outbox = new Outbox();
    const reader = new Reader();
    append(outbox, reader, 'a');
    append(outbox, reader, 'b');
    expect(reader.writes).to.have.length(0);
    await new Promise(setImmediate);
    expect(reader.writes).to.have.length(1);
    expect(reader.text()).to.equal('ab');
  });

  it('keeps the order of a connection when another comes in between', () => {
    const outbox = new Outbox();
    const [first, second] = [new Reader(), new Reader()];
    append(outbox, first, 'a');
    append(outbox, second, 'x');
    append(outbox, first, 'b');
    append(outbox, second, 'y');
    outbox.flush();
    expect(first.text()).to.equal('ab');
    expect(second.text()).to.equal('xy');
  });

  it('never writes again into what a slow reader has not taken', () => {
    const outbox = new Outbox();
    const [slow, quick] = [new Reader(), new Reader()];
    slow.slow = true;
    append(outbox, slow, 'first');
    append(outbox, quick, 'same turn');
    outbox.flush();
    for (let turn = 0; turn < 10; turn++) {
      append(outbox, quick, 'XXXXXXXXXXXXXXX');
      outbox.flush();
    }
    expect(slow.text()).to.equal('first');
    expect(slow.holdsOutbox).to.equal(true);
    outbox.letGo(slow);
    expect(slow.holdsOutbox).to.equal(false);
  });

  it('copies, once many slow readers hold buffers', () => {
    const outbox = new Outbox();
    const slow = Array.from({ length: serverLimits.outboxesHeldMax + 5 }, () => new Reader());
    for (const reader of slow) {
      reader.slow = true;
      append(outbox, reader, 'held');
      outbox.flush();
    }
    expect(slow.filter((reader) => reader.holdsOutbox)).to.have.length(
      serverLimits.outboxesHeldMax,
    );
    expect(slow.at(-1)?.writes[0]?.buffer.byteLength).to.be.lessThan(serverLimits.outboxBytes);
    expect(slow.every((reader) => reader.text() === 'held')).to.equal(true);
  });

  it('passes on more than it can hold', () => {
    const outbox = new Outbox();
    const reader = new Reader();
    const piece = 'p'.repeat(serverLimits.outboxBytes / 4);
    for (let index = 0; index < 10; index++) {
      append(outbox, reader, piece);
    }
    append(outbox, reader, 'q'.repeat(serverLimits.outboxBytes + 1));
    append(outbox, reader, 'end');
    outbox.flush();
    expect(reader.text()).to.equal(
      `${piece.repeat(10)}${'q'.repeat(serverLimits.outboxBytes + 1)}end`,
    );
  });
});
