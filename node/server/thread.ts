/** Entry point of a data thread's worker. */
import { parentPort, workerData } from 'node:worker_threads';
import { startDataThread } from './data-thread.ts';
import type { ThreadStart, ToThread } from './messages.ts';

if (parentPort === null) {
  throw new Error('thread.ts runs in a worker of node/main.ts');
}
const port = parentPort;
const heard = startDataThread(workerData as ThreadStart, (message) => port.postMessage(message));
port.on('message', (message: ToThread) => heard(message));
