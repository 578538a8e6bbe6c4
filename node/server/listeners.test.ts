import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { freePort } from '../dev/free-ports.ts';
import { serverLimits } from './limits.ts';
import { Listeners } from './listeners.ts';

const host = '127.0.0.1';
const callers = 4 * serverLimits.listenersOfThread;

/** Connects as often as it is told, says so, and stays. */
const calling = `
  const { connect } = require('node:net');
  const { workerData: { port, callers, connected } } = require('node:worker_threads');
  const words = new Int32Array(connected);
  for (let caller = 0; caller < callers; caller++) {
    connect(port, '${host}', () => {
      if (Atomics.add(words, 0, 1) === callers - 1) Atomics.notify(words, 0);
    });
  }
`;

describe('listeners', () => {
  it('take callers that came at once in fewer turns of the event loop than there are callers', async () => {
    const taken: Socket[] = [];
    await using listeners = await open(0, (socket) => taken.push(socket));
    const connected = new SharedArrayBuffer(4);
    const { port } = listeners.of;
    const worker = new Worker(calling, { eval: true, workerData: { port, callers, connected } });
    await once(worker, 'online');
    const words = new Int32Array(connected);
    // This thread stands still meanwhile, as one that gets no processor time does: the kernel answers for it.
    for (let count = 0; count < callers; count = Atomics.load(words, 0)) {
      Atomics.wait(words, 0, count);
    }
    let turns = 0;
    for (; taken.length < callers; turns++) await new Promise(setImmediate);
    await worker.terminate();
    for (const socket of taken) socket.destroy();
    expect(turns).to.be.below(callers / 2);
  });

  it('share a port with those of other threads', async () => {
    const port = await freePort();
    await using _first = await open(port, (socket) => socket.destroy(), true);
    await using second = await open(port, (socket) => socket.destroy(), true);
    expect(second.of.port).to.equal(port);
  });
});

async function open(
  port: number,
  onConnection: (socket: Socket) => void,
  shared = false,
): Promise<AsyncDisposable & { readonly of: Listeners }> {
  const of = await Listeners.open({ host, port, shared, sockets: {}, onConnection });
  return { of, [Symbol.asyncDispose]: () => of.close() };
}
