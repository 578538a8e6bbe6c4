import { expect } from 'chai';
import { describe, it } from 'mocha';
import { InvariantError } from './assert.ts';
import { epoch } from './identity.ts';
import { limits } from './limits.ts';
import { Log } from './log.ts';
import { contentOf, entriesOf, positionOf } from './message-text.ts';
import { start } from './position.ts';

const logOf = (text: string, bytesMax = 100_000): Log => {
  const log = new Log(bytesMax);
  log.merge(entriesOf(text));
  return log;
};

describe('log', () => {
  it('keeps what is pending apart from what is applied', () => {
    const log = logOf('1.1=a,1.2=b,1.3=c');
    expect(log.apply(2).map(({ sequence }) => sequence)).to.deep.equal([1, 2]);
    expect(log.applied).to.deep.equal(positionOf('1.2'));
    expect(log.pending.map(({ sequence }) => sequence)).to.deep.equal([3]);
    expect(log.apply(2)).to.deep.equal([]);
  });

  it('replaces pending entries from the first that differs on', () => {
    const log = logOf('1.1=a,1.2=b,1.3=c');
    log.apply(1);
    log.merge(entriesOf('1.1=a,2.2=x'));
    expect(log.last).to.include(positionOf('2.2'));
    expect(log.holds(positionOf('1.2'))).to.equal(false);
    expect(log.holds(positionOf('2.2'))).to.equal(true);
  });

  it('stops the process where an applied entry would change', () => {
    const log = logOf('1.1=a,1.2=b');
    log.apply(2);
    expect(() => log.merge(entriesOf('2.2=x'))).to.throw(InvariantError, 'would be replaced');
    expect(() => log.holds(positionOf('2.2'))).to.throw(InvariantError, 'differs');
    expect(() => log.merge(entriesOf('1.2=other'))).to.throw(InvariantError, 'checksums');
  });

  it('takes no gap', () => {
    const entry = { epoch: epoch(1), sequence: 3, ...contentOf('c') };
    expect(() => logOf('1.1=a').append(entry)).to.throw(InvariantError, 'gap');
  });

  it('forgets applied entries beyond its bound, but never the batch applied last', () => {
    const log = new Log(2 * (2 + limits.entryBytesExtra));
    for (let sequence = 1; sequence <= 6; sequence++) {
      log.append({ epoch: epoch(1), sequence, ...contentOf('ab') });
      log.apply(sequence);
    }
    expect(log.reaches(start)).to.equal(false);
    expect(log.after(positionOf('1.4')).length).to.equal(2);
    log.merge(entriesOf('1.7=aaaa,1.8=bbbb'));
    log.apply(8);
    expect(log.after(positionOf('1.6')).length).to.equal(2);
    expect(log.reaches(positionOf('1.5'))).to.equal(false);
  });

  it('takes the place of a snapshot', () => {
    const log = logOf('1.1=a');
    log.reset(positionOf('2.9'));
    expect(log.last).to.deep.equal(positionOf('2.9'));
    expect(log.holds(positionOf('1.3'))).to.equal(true);
  });
});
