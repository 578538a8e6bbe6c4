/** Counts and tells what the hosts report. */

import type { CoreEvent } from '../replication/core/io.ts';
import type { ShardReport } from '../replication/host.ts';
import type { Log } from './log.ts';

export interface TallyStatistics {
  /** Leaderships that began without a plan, by cause: `Restart`, `Campaign`. */
  readonly failovers: ReadonlyMap<string, number>;
  /** Shards whose only copies were lost: started again empty, or waiting for a person. */
  readonly totalLosses: { readonly reset: number; readonly held: number };
  /** Leases found missing, replaced or gone back. */
  readonly leasesLost: number;
  /** Leases that could not be read, contradicted themselves, or were another cluster's. */
  readonly leasesIgnored: number;
  /** Requests to the store that failed or whose fate was unknown, for shards. */
  readonly storeTroubles: number;
}

export class Tally {
  /** From 0: a series that begins at 1 shows no rise. */
  readonly #failovers = new Map<string, number>([
    ['Restart', 0],
    ['Campaign', 0],
  ]);
  #reset = 0;
  #held = 0;
  #leasesLost = 0;
  #ignored = 0;
  #storeTroubles = 0;

  count(event: CoreEvent): void {
    switch (event.kind) {
      case 'leading':
        if (event.cause === 'Restart' || event.cause === 'Campaign') {
          this.#failovers.set(event.cause, (this.#failovers.get(event.cause) ?? 0) + 1);
        }
        break;
      case 'total-loss':
        if (event.action === 'reset') this.#reset++;
        else this.#held++;
        break;
      case 'lease-lost':
        this.#leasesLost++;
        break;
      case 'ignored':
        this.#ignored++;
        break;
      case 'store-trouble':
        this.#storeTroubles++;
        break;
    }
  }

  ignored(): void {
    this.#ignored++;
  }

  statistics(): TallyStatistics {
    return {
      failovers: new Map(this.#failovers),
      totalLosses: { reset: this.#reset, held: this.#held },
      leasesLost: this.#leasesLost,
      leasesIgnored: this.#ignored,
      storeTroubles: this.#storeTroubles,
    };
  }
}

/** One line for each event, as loud as it deserves. */
export function logEvent(log: Log, { shard, epoch }: ShardReport, event: CoreEvent): void {
  const { kind, ...rest } = event;
  const fields = { shard, epoch, ...rest };
  switch (event.kind) {
    case 'leading':
    case 'stepped-down':
    case 'released':
    case 'lease-found':
    case 'hand-over-begun':
      log.info(fields, kind);
      break;
    case 'stopped':
      log.debug(fields, kind);
      break;
    case 'store-trouble':
      log.warn(fields, 'request to the LeaseStore failed');
      break;
    case 'hand-over-refused':
      log.warn(fields, kind);
      break;
    case 'total-loss':
      if (event.action === 'reset') log.warn(fields, 'total loss: the shard starts again, empty');
      else log.error(fields, 'total loss: the shard waits until its loss is accepted');
      break;
    case 'ignored':
      log.error(fields, 'Lease ignored');
      break;
    case 'lease-lost':
    case 'data-refused':
      log.error(fields, kind);
      break;
  }
}
