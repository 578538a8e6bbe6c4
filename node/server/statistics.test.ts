import { expect } from 'chai';
import { describe, it } from 'mocha';
import { commands } from '../engine/commands.ts';
import { durationBuckets } from './limits.ts';
import { makeStatistics, ProcessStatistics } from './statistics.ts';

describe('statistics', () => {
  it('keeps the rows of threads apart and adds them up', () => {
    const buffer = makeStatistics(2);
    const { rows } = new ProcessStatistics(buffer, 2);
    rows[0]?.add('inputBytes', 2);
    rows[1]?.add('inputBytes', 3);
    rows[1]?.set('movedMs', 7);
    rows[1]?.countCommand(commands.length - 1, true);
    const reader = new ProcessStatistics(buffer, 2);
    expect(reader.sum('inputBytes')).to.equal(5);
    expect(reader.rows[0]?.get('movedMs')).to.equal(0);
    expect(reader.command(commands.length - 1)).to.deep.equal({ calls: 1, errors: 1 });
    expect(reader.command(0)).to.deep.equal({ calls: 0, errors: 0 });
  });

  it('puts durations into the bucket that bounds them', () => {
    const statistics = new ProcessStatistics(makeStatistics(1), 1);
    durationBuckets.forEach((bound) => {
      statistics.rows[0]?.observe(bound, 1);
    });
    statistics.rows[0]?.observe(1e9, 1);
    for (let index = 0; index <= durationBuckets.length; index++) {
      expect(statistics.bucket(index), `bucket ${index}`).to.equal(1);
    }
  });

  it('counts each of the commands that came together', () => {
    const statistics = new ProcessStatistics(makeStatistics(1), 1);
    statistics.rows[0]?.observe(durationBuckets[1] ?? 0, 16);
    statistics.rows[0]?.observe(durationBuckets[1] ?? 0, 2);
    expect(statistics.bucket(1)).to.equal(18);
    expect(statistics.sum('durationSeconds')).to.be.closeTo(18 * (durationBuckets[1] ?? 0), 1e-12);
  });

  it('gives places to connections over all threads', () => {
    const { rows } = new ProcessStatistics(makeStatistics(2), 2);
    expect(rows[0]?.enter(2)).to.equal(true);
    expect(rows[1]?.enter(2)).to.equal(true);
    expect(rows[0]?.enter(2)).to.equal(false);
    expect(rows[1]?.connections()).to.equal(2);
    rows[1]?.leave();
    expect(rows[0]?.enter(2)).to.equal(true);
    expect(rows[0]?.nextClientId()).to.equal(1);
    expect(rows[1]?.nextClientId()).to.equal(2);
  });
});
