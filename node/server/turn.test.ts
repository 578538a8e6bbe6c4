import { expect } from 'chai';
import { describe, it } from 'mocha';
import { Turn } from './turn.ts';

const turns = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index++) await new Promise(setImmediate);
};

describe('end of a turn', () => {
  it('does what was asked for, once, in the order of the phases', async () => {
    const turn = new Turn();
    const done: string[] = [];
    const reply = turn.on('reply', () => done.push('reply'));
    const run = turn.on('run', () => done.push('run'));
    turn.on('wake', () => done.push('wake'));
    reply();
    run();
    run();
    expect(done).to.deep.equal([]);
    await turns(2);
    expect(done).to.deep.equal(['run', 'reply']);
  });

  it('does what a phase asks of those behind it in the same turn, of those before it in the next', async () => {
    const turn = new Turn();
    const done: string[] = [];
    const reply = turn.on('reply', () => done.push('reply'));
    const run = turn.on('run', () => {
      done.push('run');
      reply();
    });
    let again = true;
    const replicate = turn.on('replicate', () => {
      done.push('replicate');
      if (again) run();
      again = false;
    });
    run();
    replicate();
    setImmediate(() => done.push('next'));
    await turns(3);
    expect(done).to.deep.equal(['run', 'replicate', 'reply', 'next', 'run', 'reply']);
  });
});
