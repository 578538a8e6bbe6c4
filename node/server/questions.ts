/** What a data thread can ask of all threads of its process: each knows its own connections only. */
import type { Client } from './client.ts';

/** Which connections; all that is given must hold. */
export interface ClientFilter {
  readonly ids?: readonly number[];
  readonly notIds?: readonly number[];
  readonly addresses?: readonly string[];
  readonly localAddresses?: readonly string[];
  /** At least so old, seconds. */
  readonly ageSecondsMin?: number;
  readonly user?: string;
}

export type Question =
  | { readonly kind: 'clients'; readonly filter: ClientFilter }
  | { readonly kind: 'kill'; readonly filter: ClientFilter };

/** Lines of CLIENT LIST; for `kill` one for each connection that is closed. */
export type Answer = readonly string[];

export function matches(client: Client, filter: ClientFilter, nowMs: number): boolean {
  return (
    (filter.ids?.includes(client.id) ?? true) &&
    !(filter.notIds?.includes(client.id) ?? false) &&
    (filter.addresses?.includes(client.address) ?? true) &&
    (filter.localAddresses?.includes(client.localAddress) ?? true) &&
    (filter.user ?? 'default') === 'default' &&
    (filter.ageSecondsMin === undefined || nowMs - client.bornMs >= filter.ageSecondsMin * 1000)
  );
}
