/** Around the report: losses of data are told once, a person's word is taken back once it is carried out. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { rangesText } from '../conditions.ts';
import { type Context, lookAgain } from '../context.ts';
import { guarded } from '../ensure.ts';
import { annotations } from '../names.ts';
import { isReady } from '../plan/health.ts';
import { findRises, formatTold, readTold, type Told, toldNow } from '../plan/told.ts';
import { asCluster, asObject, type RDbCluster } from '../resource.ts';

/** Puts them into the findings and sends their Events. Returns what is to be remembered, if anything. */
export async function tellRises(context: Context): Promise<Told | undefined> {
  const { seen, cluster, tools, nowMs, found } = context;
  const told = readTold(seen.configMap, cluster.spec.shards);
  const rises = findRises(seen, told, { memory: tools.memory, nowMs });
  if (rises.shards.size === 0) return undefined;
  if (rises.unsettledMs !== undefined) {
    lookAgain(found, rises.unsettledMs);
    return undefined;
  }
  found.failovers.push(...rises.failovers);
  const list = [...rises.shards].map(([shard, generation]) => `${shard}:${generation}`).join(',');
  for (const { node, cause, shards } of rises.failovers) {
    await tools.events.record(cluster, {
      reason: 'ShardsReset',
      type: 'Warning',
      message: `${shards} shards of ${node} lost their only copy (${cause}) and were started again empty`,
      occasion: `${node} ${cause} ${list}`,
    });
  }
  return toldNow(seen, told, nowMs);
}

/** After the status holds them. */
export async function rememberTold(context: Context, told: Told): Promise<void> {
  const { configMap } = context.seen;
  if (configMap === undefined) return;
  const changed = {
    ...configMap,
    metadata: {
      ...configMap.metadata,
      annotations: { ...configMap.metadata.annotations, [annotations.told]: formatTold(told) },
    },
  };
  await guarded(context, changed, () => context.tools.api.replace(RESOURCES.ConfigMap, changed));
}

/** Removes rdb.dev/accept-data-loss once it has been carried out, so that it accepts no later loss. */
export async function settleAcceptance(context: Context): Promise<RDbCluster> {
  const { acceptance, cluster, tools, found } = context;
  if (!isCarriedOut(context)) return cluster;
  const { [annotations.acceptDataLoss]: word = '', ...others } = cluster.metadata.annotations ?? {};
  await tools.events.record(cluster, {
    reason: 'DataLossAccepted',
    type: 'Normal',
    message:
      acceptance.templateHash === undefined
        ? `The loss of shards ${rangesText([...acceptance.shards])} was accepted; none of them is lost now`
        : `The loss of data was accepted; every node has template ${acceptance.templateHash} now`,
    occasion: `${word} ${cluster.metadata.generation} ${cluster.metadata.resourceVersion}`,
  });
  const changed = { ...cluster, metadata: { ...cluster.metadata, annotations: others } };
  const written = await guarded(context, changed, () =>
    tools.api.replace(RESOURCES.RDbCluster, asObject(changed)),
  );
  return written === undefined || found.forbidden.length > 0 ? cluster : asCluster(written);
}

function isCarriedOut({ acceptance, found, seen }: Context): boolean {
  if (acceptance.shards.size > 0) {
    return [...acceptance.shards].every((shard) => !found.lost.has(shard));
  }
  return (
    acceptance.templateHash !== undefined &&
    acceptance.templateHash === found.template?.hash &&
    found.complete &&
    found.roll.kind === 'done' &&
    found.lost.size === 0 &&
    seen.nodes.every(({ pod }) => isReady(pod))
  );
}
