/** `redis-cli -c`, which is on this machine and not in any pod. */
import { expect } from 'chai';
import { before, describe, it } from 'mocha';
import { run } from '../cluster/run.ts';
import { demo, nodeHost, requireDemo } from '../support/demo.ts';

describe('redis-cli -c', () => {
  before(() => requireDemo());

  const cli = async (ordinal: number, input: string) => {
    const host = nodeHost(demo.namespace, demo.name, ordinal);
    return await run(['redis-cli', '-c', '-h', host], { input });
  };

  it('writes through one node and reads through the others', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `cli:${index}`);
    const written = await cli(0, names.map((name) => `SET ${name} ${name}-value\n`).join(''));
    expect(written.match(/^OK$/gm)?.length).to.equal(names.length);
    for (const ordinal of [1, 2]) {
      const read = await cli(ordinal, names.map((name) => `GET ${name}\n`).join(''));
      for (const name of names) expect(read).to.include(`${name}-value`);
    }
  });

  it('knows the cluster: every slot served, every node named', async () => {
    const info = await cli(1, 'CLUSTER INFO\n');
    expect(info).to.match(/cluster_state:ok/);
    expect(info).to.match(/cluster_slots_assigned:16384/);
    const nodes = (await cli(2, 'CLUSTER NODES\n')).trim().split('\n');
    expect(nodes.length).to.equal(3);
    for (const line of nodes) expect(line).to.match(/ (myself,)?master .* connected /);
  });
});
