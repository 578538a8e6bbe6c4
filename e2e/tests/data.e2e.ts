/** Clients in the cluster's network read and write every key through any node. */
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import type { ClientAnswer, ClientTask } from '../inside/client.ts';
import type { RedisAnswer, RedisTask } from '../inside/redis.ts';
import { demo, nodeHost, requireDemo } from '../support/demo.ts';
import { inside } from '../support/inside.ts';
import { kubectl } from '../support/kubectl.ts';

const keys = 1000;
const hosts = [0, 1, 2].map((ordinal) => nodeHost(demo.namespace, demo.name, ordinal));

describe('data, from inside the cluster', () => {
  before(() => requireDemo());

  for (const [ordinal, host] of hosts.entries()) {
    it(`is read and written by ioredis that knows ${demo.name}-${ordinal}`, async () => {
      const task: RedisTask = { host, keys, prefix: `redis-${ordinal}` };
      const answer = await inside<RedisAnswer>('redis', task);
      expect(answer.good).to.equal(keys);
      expect(answer.nodes.map(shortName)).to.deep.equal(
        [0, 1, 2].map((each) => `${demo.name}-${each}`),
      );
      for (const size of answer.sizes) expect(size).to.be.above(keys / 6);
      // About two thirds are led elsewhere, and the node says where.
      expect(answer.moved).to.be.within(keys / 2, (keys * 5) / 6);
    });

    it(`is read and written by our client that knows ${demo.name}-${ordinal}`, async () => {
      const task: ClientTask = { address: `${host}:7379`, keys, prefix: `client-${ordinal}` };
      const answer = await inside<ClientAnswer>('client', task);
      expect(answer).to.deep.include({ good: keys, scanned: keys, counted: '50', deleted: keys });
      const { namespace, name } = demo;
      const shards = await kubectl(
        'get',
        'rdb',
        name,
        '-n',
        namespace,
        '-o',
        'jsonpath={.spec.shards}',
      );
      expect(answer.shards).to.equal(Number(shards));
      expect(answer.leaders.length).to.equal(3);
    });
  }

  it('is reached by the Service as well', async () => {
    const host = `${demo.name}.${demo.namespace}.svc.cluster.local`;
    const script = `const socket = require('node:net').connect(6379, '${host}', () => socket.write('PING\\r\\n'));
      socket.on('data', (data) => { process.stdout.write(data); process.exit(0); });
      socket.on('error', (error) => { throw error; });`;
    const words = ['exec', '-n', demo.namespace, `${demo.name}-0`, '--', 'node', '--eval', script];
    expect(await kubectl(...words)).to.equal('+PONG\r\n');
  });
});

/** `demo-0` of an address that begins with it. */
function shortName(address: string): string {
  return address.split('.')[0] ?? '';
}
