/**
 * First phase: every object that the cluster consists of. Leases and everything that pods refer to come
 * before the StatefulSet, so that no pod starts into something half made.
 */
import { RESOURCES, type Resource } from '@r-db/kubernetes/resources.ts';
import { LeaseStoreError } from '@r-db/leases/errors.ts';
import { leaseLabels, nodeLeaseName, shardLeaseName } from '@r-db/proto/leases.ts';
import { ApiError, eachBounded, type View } from '../api.ts';
import { type Context, isBlocked } from '../context.ts';
import { ensure, told } from '../ensure.ts';
import { contains } from '../json.ts';
import { limits } from '../limits.ts';
import { buildRole, buildRoleBinding, buildServiceAccount } from '../make/access.ts';
import { buildConfigMap, seedOf } from '../make/config.ts';
import { buildDisruptionBudget } from '../make/disruption.ts';
import { buildNodeLease, buildShardLease, freshShard } from '../make/leases.ts';
import { ownerReference } from '../make/owned.ts';
import { buildClientService, buildNodeService } from '../make/services.ts';
import { buildStatefulSet } from '../make/statefulset.ts';
import { buildTemplate } from '../make/template.ts';
import { annotations, objectNames } from '../names.ts';
import { annotationOf, type KubernetesObject, keyOf } from '../objects.ts';
import { isOwn } from '../observe.ts';
import { planAssignment } from '../plan/assign.ts';
import { assignedNow, planNodes } from '../plan/assigned.ts';
import { spareNodes } from '../plan/roll.ts';

export async function provision(context: Context, view: View): Promise<void> {
  const { cluster, found, seen } = context;
  const seed = await ensureConfig(context);
  await ensureOthers(context, view);
  await ensureLeases(context);
  const template = buildTemplate(cluster, context.resolved, imageOf(context));
  found.template = template;
  if (seed === undefined || (isBlocked(found) && seen.statefulSet === undefined)) return;
  if (found.withoutLease.size > 0 && seen.statefulSet === undefined) return;
  const wanted = buildStatefulSet(cluster, template, seed);
  const statefulSet = await ensure(context, RESOURCES.StatefulSet, wanted, seen.statefulSet);
  if (statefulSet === undefined) return;
  found.statefulSet = statefulSet;
  found.complete = seen.statefulSet !== undefined && !isBlocked(found);
}

/**
 * The operator's own image when the cluster is made, and then what the StatefulSet has: an upgrade of the
 * operator restarts no node.
 */
export function imageOf({ cluster, seen, tools }: Context): string {
  return cluster.spec.image ?? imageIn(seen.statefulSet) ?? tools.image;
}

function imageIn(statefulSet: KubernetesObject | undefined): string | undefined {
  const spec = statefulSet?.spec as
    | { template?: { spec?: { containers?: readonly { image?: string }[] } } }
    | undefined;
  return spec?.template?.spec?.containers?.[0]?.image;
}

/** The seed is made once: what stands is asked for even if no cache knows it, and never replaced. */
async function ensureConfig(context: Context): Promise<string | undefined> {
  const { cluster, resolved, seen, tools } = context;
  const { namespace, name } = keyOf(cluster);
  const key = { namespace, name: objectNames(name).configMap };
  const known = seen.configMap ?? (await tools.api.get(RESOURCES.ConfigMap, key));
  const seed =
    (isOwn(cluster, known) ? seedOf(known) : undefined) ??
    (seen.statefulSet && annotationOf(seen.statefulSet, annotations.hashSeed)) ??
    tools.randomSeed();
  const wanted = buildConfigMap(cluster, resolved, seed);
  const made = await ensure(context, RESOURCES.ConfigMap, wanted, known);
  // Somebody else may have been faster: theirs is the seed.
  return seedOf(made);
}

async function ensureOthers(context: Context, view: View): Promise<void> {
  const { cluster, seen } = context;
  const wanted: readonly (readonly [Resource, KubernetesObject])[] = [
    [RESOURCES.ServiceAccount, buildServiceAccount(cluster)],
    [RESOURCES.Role, buildRole(cluster)],
    [RESOURCES.RoleBinding, buildRoleBinding(cluster)],
    [RESOURCES.Service, buildNodeService(cluster)],
    [RESOURCES.Service, buildClientService(cluster)],
    [RESOURCES.PodDisruptionBudget, buildDisruptionBudget(cluster, spareNodes(seen))],
  ];
  for (const [resource, object] of wanted) {
    await ensure(context, resource, object, await view.get(resource, keyOf(object)));
  }
}

async function ensureLeases(context: Context): Promise<void> {
  const { cluster, seen, found, tools } = context;
  const { name } = cluster.metadata;
  const work: (() => Promise<void>)[] = [];
  for (const { ordinal, lease } of seen.nodes) {
    const leaseName = nodeLeaseName(name, ordinal);
    work.push(() =>
      ensureLease(context, leaseName, 'Node', lease?.lease.raw, () =>
        buildNodeLease(cluster, ordinal),
      ),
    );
  }
  const established = isEstablished(context);
  const assignment = wantedAssignment(context);
  for (let shard = 0; shard < cluster.spec.shards; shard++) {
    const leaseName = shardLeaseName(name, shard);
    const known = seen.shards.get(shard)?.lease.raw;
    // One that was there once may hold data by now: the phase `recover` makes it again.
    if (known === undefined && established) found.withoutLease.add(shard);
    else {
      const fresh = () =>
        buildShardLease(cluster, shard, freshShard(assignment[shard] ?? []), tools.nowMs());
      work.push(() => ensureLease(context, leaseName, 'Shard', known, fresh));
    }
  }
  await eachBounded(work, limits.requestsAtOnce, (run) => run());
}

/** Whether pods may have run: from then on a missing shard Lease is a lost one. */
export function isEstablished({ seen, cluster }: Context): boolean {
  if (seen.statefulSet !== undefined || (cluster.status?.shards?.led ?? 0) > 0) return true;
  return [...seen.shards.values()].some(
    ({ content }) => content === undefined || content.epoch > 0,
  );
}

/** As assigned, and as planned where that can't be. Index: shard. */
export function wantedAssignment({
  seen,
  cluster,
  tools,
}: Context): readonly (readonly string[])[] {
  const { uid } = cluster.metadata;
  return planAssignment({
    shards: cluster.spec.shards,
    replicationFactor: cluster.spec.replicationFactor,
    nodes: planNodes(seen),
    current: assignedNow(seen, (shard) => tools.memory.shardSeen(uid, shard)?.assignment),
  });
}

async function ensureLease(
  context: Context,
  name: string,
  kind: 'Node' | 'Shard',
  known: unknown,
  fresh: () => ReturnType<typeof buildNodeLease>,
): Promise<void> {
  const { cluster, tools } = context;
  if (known !== undefined) return ensureLabels(context, name, kind, known as KubernetesObject);
  try {
    await tools.leases(cluster.metadata.namespace).create(fresh());
  } catch (error) {
    if (!(error instanceof LeaseStoreError)) throw error;
    if (error.code === 'Forbidden' || error.code === 'Invalid') {
      told(context, `Lease ${name}`, new ApiError(error.code, error.message));
    } else if (error.code === 'AlreadyExists') {
      const key = { namespace: cluster.metadata.namespace, name };
      const actual = await tools.api.get(RESOURCES.Lease, key);
      if (actual !== undefined) await ensureLabels(context, name, kind, actual);
    } else {
      throw new ApiError('Unavailable', error.message, { cause: error });
    }
  }
}

/** Labels and owner only: nobody but the phases below changes what a Lease says. */
async function ensureLabels(
  context: Context,
  name: string,
  kind: 'Node' | 'Shard',
  actual: KubernetesObject,
): Promise<void> {
  const { cluster } = context;
  const labels = leaseLabels(cluster.metadata.name, kind);
  if (isOwn(cluster, actual) && contains(actual.metadata.labels, labels)) return;
  const wanted: KubernetesObject = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace: cluster.metadata.namespace,
      labels,
      ownerReferences: [ownerReference(cluster)],
    },
  };
  await ensure(context, RESOURCES.Lease, wanted, actual);
}
