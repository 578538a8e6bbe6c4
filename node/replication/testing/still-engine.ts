/** An engine for hosts whose shards are never written: it makes and drops copies, and nothing else. */

import type { ShardEngine } from '../shard-runner.ts';

export function stillEngine(
  given: Pick<ShardEngine, 'publish'> & Partial<ShardEngine>,
): ShardEngine {
  return {
    createShard: () => {},
    dropShard: () => true,
    setRedirect: () => {},
    setReplicated: () => true,
    seal: () => undefined,
    commit: () => true,
    rollback: () => true,
    apply: () => true,
    costOf: () => 0,
    takeCut: () => ({ cut: new Uint8Array(0), cursor: 0n }),
    installCut: () => 'installed',
    memoryStatistics: () => ({
      budget: 1,
      used: 0,
      records: 0,
      index: 0,
      buffers: 0,
      reserved: 1,
    }),
    ...given,
  };
}
