/**
 * Loaded before a node's `main.ts` (`--import`): ends the node when its supervisor is gone, however that
 * ended. A node would else go on for ever, as it should when an API server is away.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.channel !== undefined) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
