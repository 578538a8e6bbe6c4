import { createServer } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { freeBase, freePort, freePorts } from './free-ports.ts';
import { checkPorts, LOCALHOST, planPorts } from './ports.ts';

describe('free ports', () => {
  it('are given once, below those of connections', async () => {
    const ports = (await freePorts(20)).flatMap((node) => Object.values(node) as number[]);
    expect(new Set(ports).size).to.equal(80);
    expect(Math.max(...ports)).to.be.lessThan(32_768);
  });

  it('are not those that somebody listens on', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port + 1, LOCALHOST, resolve));
    try {
      expect(await freePort()).to.be.greaterThan(port + 1);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('are there for all of a cluster', async () => {
    await checkPorts(planPorts(await freeBase(3), 3));
  });
});
