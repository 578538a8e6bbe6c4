/** The faults of the contract, ordered from a `MemoryLeases`. */
import type { ContractFaults, FaultOrder } from '../contract-faults.ts';
import type { MemoryFault, MemoryLeases } from '../memory.ts';

export interface MemoryFaultHooks {
  /** Client whose requests have the faults. */
  readonly client: string;
  /** Lets a short deadline pass. */
  expire(): Promise<void>;
  /** Lets `LATE_MS` pass. */
  release(): Promise<void>;
}

const LATE_MS = 60_000;

export function memoryFaults(server: MemoryLeases, hooks: MemoryFaultHooks): ContractFaults {
  const { client, expire, release } = hooks;
  let next: { readonly fault: MemoryFault; readonly strike: () => void } | undefined;
  let staleChanges = 0;
  server.setFault((request) => {
    if (request.client !== client) return undefined;
    if (request.verb === 'list') return { staleChanges };
    if (request.verb !== 'update' || next === undefined) return undefined;
    const { fault, strike } = next;
    next = undefined;
    strike();
    return fault;
  });
  return {
    nextUpdate(order) {
      const { promise, resolve } = Promise.withResolvers<void>();
      next = { fault: faultOf(order), strike: resolve };
      return { struck: promise, expire, release };
    },
    staleLists(changes) {
      staleChanges = changes;
    },
    async cutWatches() {
      server.setOutage('frozen', client);
      return { heal: async () => server.setOutage('none', client) };
    },
  };
}

function faultOf(order: FaultOrder): MemoryFault {
  if (order === 'lose-reply') return { lose: 'reply' };
  if (order === 'delay-request') return { requestDelayMs: LATE_MS };
  if (order === 'applied-500') return { code: 500, applied: true };
  return { code: order };
}
