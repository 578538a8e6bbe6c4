/** For every test file, in whichever of mocha's processes it runs (`.mocharc.json`). */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const cacheDirectory = join(import.meta.dirname, '../node_modules/.cache/node-compile');

// Most of a process' start is the reading of its sources: what was compiled once is kept, also for the processes
// that tests start. Coverage is counted on freshly compiled code only.
if (process.env['NODE_V8_COVERAGE'] === undefined) {
  enableCompileCache(cacheDirectory);
  process.env['NODE_COMPILE_CACHE'] ??= cacheDirectory;
}

/** What would keep a process from ending: mocha ends its own, whatever is left in them. */
const kept = /^(TCP|TLS|Pipe|Process|MessagePort|Worker|UDP|FSEvent|StatWatcher)/;
const lookAgainMs = 5;

function held(): string[] {
  return process.getActiveResourcesInfo().filter((name) => kept.test(name));
}

let before = 0;

export const mochaHooks = {
  beforeAll(): void {
    before = held().length;
  },

  /** Fails by its timeout when a file leaves sockets, servers, processes or threads behind. */
  async afterAll(): Promise<void> {
    const untilMs = performance.now() + 5_000;
    while (held().length > before) {
      if (performance.now() > untilMs) throw new Error(`left behind: ${held().join()}`);
      await wait(lookAgainMs);
    }
  },
};
