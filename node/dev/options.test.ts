import { createServer } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { LocalClusterError } from './errors.ts';
import { freePorts } from './free-ports.ts';
import { showLine } from './log-line.ts';
import { readOptions } from './options.ts';
import { checkPorts, LOCALHOST, planPorts } from './ports.ts';

describe('options of the local cluster', () => {
  it('have defaults', () => {
    expect(readOptions([])).to.deep.equal({
      nodes: 3,
      port: 6379,
      shards: 64,
      threads: 1,
      replicationFactor: 3,
      totalLoss: 'Reset',
      verbose: false,
      help: false,
    });
  });

  it('are read', () => {
    const options = readOptions(['--nodes', '1', '--port=7000', '--threads', '2', '--verbose']);
    expect(options).to.deep.include({ nodes: 1, port: 7000, threads: 2, verbose: true });
    expect(options.replicationFactor).to.equal(1);
  });

  const wrong: readonly [string[], string][] = [
    [['--nodes', '0'], '--nodes 0: it must be a whole number from 1 to 16'],
    [['--nodes', '3.5'], '--nodes 3.5: it must be a whole number'],
    [['--nodes', '2', '--replication-factor', '3'], 'it must be a whole number from 1 to 2'],
    [['--shards', '2000'], '--shards 2000: it must be a whole number from 1 to 1024'],
    [['--port', 'http'], '--port http: it must be a whole number from 1 to 65535'],
    [['--total-loss', 'Ask'], '--total-loss Ask: it must be Reset or Hold'],
    [['--node', '3'], "Unknown option '--node'"],
    [['3'], "Unexpected argument '3'"],
  ];
  for (const [argv, message] of wrong) {
    it(`refuses ${argv.join(' ')}`, () => {
      expect(() => readOptions(argv)).to.throw(LocalClusterError, message);
    });
  }
});

describe('ports of the local cluster', () => {
  it('are those of the documentation', () => {
    expect(planPorts(6379, 3)[2]).to.deep.equal({
      resp: 6381,
      grpc: 7381,
      peer: 8381,
      metrics: 9123,
    });
  });

  it('must fit', () => {
    expect(() => planPorts(65_000, 1)).to.throw(LocalClusterError, 'must be from 1 to 62793');
  });

  it('must be free, and all that are not are named', async () => {
    const [ports] = await freePorts(1);
    if (ports === undefined) throw new Error('unreachable');
    await checkPorts([ports]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(ports.grpc, LOCALHOST, resolve));
    try {
      const error = await checkPorts([ports]).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(LocalClusterError);
      expect(String(error)).to.contain(`${ports.grpc} (grpc of node 0: EADDRINUSE)`);
      expect(String(error)).to.contain('--port');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('log lines of the local cluster', () => {
  const line = (level: string): string =>
    JSON.stringify({ level, time: 1, pid: 2, node: 'local-0', shard: 3, msg: 'lease-lost' });

  it('are plain, without what tells nothing', () => {
    expect(showLine('local-0', line('error'), { verbose: false })).to.equal(
      'local-0: error: lease-lost shard=3',
    );
  });

  it('are warnings and worse, unless all are asked for', () => {
    expect(showLine('local-0', line('info'), { verbose: false })).to.equal(undefined);
    expect(showLine('local-0', line('info'), { verbose: true })).to.contain('info: lease-lost');
  });

  it('are shown as they are where they are no JSON', () => {
    expect(showLine('local-0', '{broken', { verbose: false })).to.equal('local-0: {broken');
    expect(showLine('local-0', 'Error: x', { verbose: false })).to.equal('local-0: Error: x');
    expect(showLine('local-0', ' ', { verbose: true })).to.equal(undefined);
  });
});
