/** Where an entry stands, and what it is. */

import { type Epoch, epoch } from './identity.ts';

/** Place of an entry in a shard's history: the epoch that made it, and its number, from 1. */
export interface Position {
  readonly epoch: Epoch;
  readonly sequence: number;
}

/** One effect; a transaction is one entry. `content`: the encoded effects and session. */
export interface LogEntry extends Position {
  readonly content: Uint8Array;
  readonly checksum: number;
}

/** Before the first entry. */
export const start: Position = { epoch: epoch(0), sequence: 0 };

export const samePosition = (a: Position, b: Position): boolean =>
  a.sequence === b.sequence && a.epoch === b.epoch;

export const positionText = ({ epoch, sequence }: Position): string => `${epoch}.${sequence}`;
