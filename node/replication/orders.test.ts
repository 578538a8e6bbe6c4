import { expect } from 'chai';
import { describe, it } from 'mocha';
import { incarnation } from './core/identity.ts';
import { HandOverOrders } from './orders.ts';

const [b, c] = [incarnation('demo-1/b'), incarnation('demo-2/c')];

describe('orders of hand-overs', () => {
  it('are answered by what the core tells of that shard and member, all that wait', async () => {
    const orders = new HandOverOrders();
    const answers: string[] = [];
    const ask = (name: string, shard: number, to: typeof b): Promise<void> =>
      orders
        .ask({ shard, to })
        .then((refusal) => void answers.push(`${name}: ${refusal?.message ?? 'begun'}`));
    const first = ask('first', 1, b);
    const same = ask('same', 1, b);
    const another = ask('another', 1, c);
    const elsewhere = ask('elsewhere', 2, b);
    orders.told(1, { kind: 'hand-over-refused', to: b, message: 'no answer' });
    await Promise.all([first, same]);
    expect(answers).to.deep.equal(['first: no answer', 'same: no answer']);
    orders.told(1, { kind: 'hand-over-refused', to: c, message: 'another' });
    orders.told(2, { kind: 'hand-over-begun', to: b });
    await Promise.all([another, elsewhere]);
    expect(answers.slice(2)).to.deep.equal(['another: another', 'elsewhere: begun']);
  });

  it('are answered once: the next one waits anew', async () => {
    const orders = new HandOverOrders();
    const first = orders.ask({ shard: 1, to: b });
    orders.told(1, { kind: 'hand-over-begun', to: b });
    expect(await first).to.equal(undefined);
    const next = orders.ask({ shard: 1, to: b });
    orders.told(1, { kind: 'hand-over-refused', to: b, message: 'lost' });
    expect(await next).to.deep.equal({ reason: 'SHARD_MOVING', message: 'lost' });
  });
});
