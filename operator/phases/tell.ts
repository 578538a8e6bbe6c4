/** Around the report: failovers and losses of data are told once, a person's word is taken back once it is carried out. */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { namesText, rangesText } from '../conditions.ts';
import { type Context, lookAgain } from '../context.ts';
import { guarded } from '../ensure.ts';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import { belongsTo, type FailoverGroup, findFailovers } from '../plan/failovers.ts';
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
      message: `${shards} shards of ${node} lost every copy (${cause}) and were started again empty`,
      occasion: `${node} ${cause} ${list}`,
    });
  }
  return toldNow(seen, told, nowMs);
}

/**
 * Failovers that lost nothing: an Event for each, then they go into the status, where one that is there has been
 * told. Not before the last shard has joined: a node leads many.
 */
export async function tellFailovers(context: Context): Promise<void> {
  const { seen, cluster, tools, nowMs, found } = context;
  const known = cluster.status?.lastFailovers ?? [];
  const oldest = known.length < limits.lastFailoversMax ? undefined : known.at(-1);
  for (const group of findFailovers(seen)) {
    const { failover } = group;
    if (oldest !== undefined && failover.lastTime <= oldest.lastTime) continue;
    const { node, cause, firstTime, lastTime } = failover;
    const isKnown = known.some((other) => belongsTo(failover, other));
    const fact = `${cluster.metadata.uid} failover ${node} ${cause} ${lastTime}`;
    const leftMs = isKnown ? 0 : tools.memory.since(fact, nowMs) + limits.failoverSettledMs - nowMs;
    if (leftMs > 0) {
      lookAgain(found, leftMs);
      continue;
    }
    found.failovers.push(failover);
    // Kubernetes forgets Events: an old one must not come a second time.
    if (isKnown || nowMs - Date.parse(lastTime) > limits.eventAgeMaxMs) continue;
    await tools.events.record(cluster, {
      reason: 'Failover',
      type: 'Warning',
      message: failoverText(context, group),
      occasion: `${node} ${cause} ${firstTime}`,
    });
  }
}

function failoverText({ seen }: Context, { failover, shards }: FailoverGroup): string {
  const heirs = new Map<string, number>();
  for (const shard of shards) {
    const leader = seen.shards.get(shard)?.content?.leader?.node ?? 'nobody';
    heirs.set(leader, (heirs.get(leader) ?? 0) + 1);
  }
  const { node, cause, detectionMilliseconds = 0, promotionMilliseconds = 0 } = failover;
  const to = [...heirs].sort().map(([leader, count]) => `${leader} (${count})`);
  return (
    `${node} lost the lead of shards ${rangesText(shards)} (${cause}); now they are led by ${namesText(to)}. ` +
    `Detection took ${detectionMilliseconds} ms at most, promotion ${promotionMilliseconds} ms`
  );
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
