import { expect } from 'chai';
import { describe, it } from 'mocha';
import { InvariantError } from './assert.ts';
import { History } from './history.ts';
import { epoch } from './identity.ts';
import { limits } from './limits.ts';
import { type LogEntry, start } from './position.ts';

/** Entries of every length around what a segment and a loop take. */
function entryOf(sequence: number, bytes = (sequence * 7) % 150): LogEntry {
  return {
    epoch: epoch(1 + Math.floor(sequence / 100)),
    sequence,
    content: Buffer.alloc(bytes, sequence),
    checksum: 2 ** 32 - sequence,
  };
}

const same = (found: LogEntry, expected: LogEntry): void => {
  expect({ ...found, content: [...found.content] }).to.deep.equal({
    ...expected,
    content: [...expected.content],
  });
};

describe('history of a log', () => {
  it('gives back what it was given, over many segments', () => {
    const history = new History(start);
    const count = 5 * limits.segmentEntries;
    for (let sequence = 1; sequence <= count; sequence++) history.push(entryOf(sequence));
    for (let sequence = 1; sequence <= count; sequence++) {
      same(history.entry(sequence), entryOf(sequence));
    }
    expect(history.position(count)).to.deep.equal(history.last);
  });

  it('keeps its own copy, and entries longer than a segment', () => {
    const history = new History(start);
    const long = entryOf(1, 4 * limits.segmentEntries * limits.segmentEntryBytes);
    history.push(long);
    history.push(entryOf(2, 10));
    long.content.fill(0);
    expect(history.entry(1).content.every((byte) => byte === 1)).to.equal(true);
    same(history.entry(2), entryOf(2, 10));
  });

  it('forgets the oldest first, and counts what is left', () => {
    const base = { epoch: epoch(3), sequence: 40 };
    const history = new History(base);
    for (let sequence = 41; sequence <= 400; sequence++) history.push(entryOf(sequence));
    for (let sequence = 41; sequence <= 390; sequence++) {
      history.dropFirst();
      expect(history.base.sequence).to.equal(sequence);
    }
    let bytes = 0;
    for (let sequence = 391; sequence <= 400; sequence++) {
      same(history.entry(sequence), entryOf(sequence));
      bytes += entryOf(sequence).content.length + limits.entryBytesExtra;
    }
    expect(history.bytes).to.equal(bytes);
    for (let left = 10; left > 0; left--) history.dropFirst();
    expect(history.bytes).to.equal(0);
    expect(history.base).to.deep.equal(history.last);
    history.push(entryOf(401));
    same(history.entry(401), entryOf(401));
  });

  it('stops the process where an entry is asked for that it has not', () => {
    const history = new History(start);
    history.push(entryOf(1));
    history.push(entryOf(2));
    history.dropFirst();
    expect(() => history.entry(1)).to.throw(InvariantError, 'no entry 1');
    expect(() => history.position(3)).to.throw(InvariantError, 'no entry 3');
    expect(history.position(1)).to.deep.equal({ epoch: 1, sequence: 1 });
  });
});
