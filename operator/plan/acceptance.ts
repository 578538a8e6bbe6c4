/** The annotation `rdb.dev/accept-data-loss`: a person's word that data may go. */
import { annotations } from '../names.ts';
import type { RDbCluster } from '../resource.ts';

export interface Acceptance {
  /** Shards whose loss is accepted. */
  readonly shards: ReadonlySet<number>;
  /** Hash of a template: nodes may be replaced to carry it out. */
  readonly templateHash: string | undefined;
  /** Why it says nothing that could be done; undefined if it is well or absent. */
  readonly problem: string | undefined;
}

const NONE: Acceptance = { shards: new Set(), templateHash: undefined, problem: undefined };
const HASH = /^[0-9a-f]{12}$/;
const RANGE = /^(\d{1,4})(?:-(\d{1,4}))?$/;

export function readAcceptance(cluster: RDbCluster): Acceptance {
  const text = cluster.metadata.annotations?.[annotations.acceptDataLoss]?.trim();
  if (text === undefined) return NONE;
  if (HASH.test(text)) return { ...NONE, templateHash: text };
  const shards = new Set<number>();
  for (const part of text.split(',')) {
    const match = RANGE.exec(part.trim());
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match === null || from > to || to >= cluster.spec.shards) {
      return { ...NONE, problem: problemOf(text, cluster.spec.shards) };
    }
    for (let shard = from; shard <= to; shard++) shards.add(shard);
  }
  return { ...NONE, shards };
}

function problemOf(text: string, shards: number): string {
  return (
    `annotation ${annotations.acceptDataLoss} is ${JSON.stringify(text.slice(0, 80))}: it must be ` +
    `shards from 0 to ${shards - 1}, such as 3,7-9, or the hash of a pod template that a message names`
  );
}
