import { keyToShard } from '@r-db/proto/slots.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { serverLimits } from './limits.ts';
import { RawClient } from './testing/raw-client.ts';
import { serve } from './testing/serve.ts';

const shards = 4;
const shard = keyToShard('k', shards);
const absent = '$-1\r\n';

describe('a RESP server that drains', () => {
  it('keeps whom it has kept waiting until nothing was asked for a while after the reply', async () => {
    await using served = await serve({ shards, times: { ...serverLimits, tickMs: 5 } });
    const { engine, servers, statistics } = served;
    engine.publish(shard, { role: 'starting' });
    await using waiting = await RawClient.connect(served.port);
    await using idle = await RawClient.connect(served.port);
    waiting.command('GET', 'k');
    while (statistics.sum('parked') === 0) await new Promise(setImmediate);
    await idle.expect(['PING'], '+PONG\r\n');
    const drained = servers[0]?.drain();
    // By then the one that waits has said nothing for as long.
    expect(await idle.rest()).to.equal('');
    served.lead(shard, true);
    expect(await waiting.read(absent.length)).to.equal(absent);
    await waiting.expect(['GET', 'k'], absent);
    expect(await waiting.rest()).to.equal('');
    for (const client of [idle, waiting]) client.socket.end();
    await drained;
  });
});
