/**
 * The faults of the contract, ordered from a fake API server. The next update through any store is
 * struck: tests order one and send it at once.
 */
import type { FakeApi, FakeFault } from '@r-db/kubernetes/testing/fake-api.ts';
import { settle } from '@r-db/kubernetes/testing/manual-scheduler.ts';
import { until } from '@r-db/kubernetes/testing/until.ts';
import type { ContractFaults, FaultOrder } from '../contract-faults.ts';

export function fakeApiFaults(api: FakeApi): ContractFaults {
  let next: { readonly fault: FakeFault; readonly strike: () => void } | undefined;
  let staleChanges = 0;
  let watchesCut = false;
  api.setFault(({ verb }) => {
    if (verb === 'watch' && watchesCut) return { code: 503 };
    if (verb === 'list') return { staleChanges };
    if (verb !== 'update' || next === undefined) return undefined;
    const { fault, strike } = next;
    next = undefined;
    strike();
    return fault;
  });
  return {
    nextUpdate(order) {
      const struck = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      next = { fault: faultOf(order, released.promise), strike: struck.resolve };
      return {
        struck: struck.promise,
        // The store's own short deadline passes.
        expire: async () => {},
        release: async () => {
          released.resolve();
          await settle();
        },
      };
    },
    staleLists(changes) {
      staleChanges = changes;
    },
    async cutWatches() {
      await until(() => api.watches > 0);
      watchesCut = true;
      api.breakWatches();
      return {
        heal: async () => {
          api.objects.compact();
          watchesCut = false;
        },
      };
    },
  };
}

function faultOf(order: FaultOrder, released: Promise<void>): FakeFault {
  if (order === 'lose-reply') return { holdReply: new Promise(() => {}) };
  if (order === 'delay-request') return { hold: released };
  if (order === 'applied-500') return { code: 500, applied: true };
  return { code: order };
}
