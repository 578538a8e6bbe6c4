/**
 * Where clients of shards that other nodes lead are sent. Told by the thread that publishes who leads here, so that it
 * stands before anybody is sent away: the topology, which comes by another thread, may be older or newer than that.
 */

import type { NodeAddresses } from '../agent/types.ts';
import type { Engine } from '../engine/types.ts';

export class Redirects {
  readonly #engine: Pick<Engine, 'setRedirect'>;
  /** Nodes by shard. */
  readonly #leaders: (string | undefined)[] = [];
  /** By shard, as last told. */
  readonly #told: (string | undefined)[] = [];
  #addresses: ReadonlyMap<string, NodeAddresses> = new Map();

  constructor(engine: Pick<Engine, 'setRedirect'>) {
    this.#engine = engine;
  }

  leader(shard: number): string | undefined {
    return this.#leaders[shard];
  }

  /** `node`: undefined: none other than this one, as far as is known. */
  lead(shard: number, node: string | undefined): void {
    this.#leaders[shard] = node;
    this.#tell(shard);
  }

  setAddresses(addresses: ReadonlyMap<string, NodeAddresses>): void {
    this.#addresses = addresses;
    for (const shard of this.#leaders.keys()) this.#tell(shard);
  }

  #tell(shard: number): void {
    const node = this.#leaders[shard];
    const resp = node === undefined ? undefined : this.#addresses.get(node)?.resp;
    const address = resp === undefined ? undefined : `${resp.host}:${resp.port}`;
    if (address === this.#told[shard]) return;
    this.#told[shard] = address;
    this.#engine.setRedirect(shard, address);
  }
}
