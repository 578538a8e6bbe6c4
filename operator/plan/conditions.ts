/** Which conditions hold, and why. The first reason that applies is the one told. */
import { type Finding, finding, namesText, rangesText, timeText } from '../conditions.ts';
import { type Context, lookAgain } from '../context.ts';
import { limits } from '../limits.ts';
import { annotations } from '../names.ts';
import type { Failover } from '../resource.ts';
import { unevenness } from './assign.ts';
import { isReady, podFault } from './health.ts';
import { isLoss } from './losses.ts';

export interface Judged {
  readonly led: ReadonlySet<number>;
  /** Shards that are led and have too few copies in sync to take writes. */
  readonly tooFew: readonly number[];
  /** Shards of which a copy is missing or not in sync. */
  readonly unwhole: readonly number[];
  readonly lastFailovers: readonly Failover[];
}

export function judgeConditions(context: Context, judged: Judged): Finding[] {
  const degraded = judgeDegraded(context, judged);
  return [
    judgeReady(context, judged),
    judgeAvailable(context, judged),
    judgeInSync(context, judged),
    judgeBalanced(context),
    judgeProgressing(context, judged),
    degraded,
    judgeConfiguration(context),
  ];
}

function judgeReady(context: Context, judged: Judged): Finding {
  const { found, resolved, cluster } = context;
  const { led, tooFew } = judged;
  if (resolved.problems.length > 0 || found.rejected.length > 0) {
    return finding('Ready', 'ConfigurationInvalid', problemText(context));
  }
  if (found.foreign.length > 0 || found.forbidden.length > 0) {
    return finding('Ready', 'Blocked', faultText(context));
  }
  if (found.held.size > 0) {
    return finding('Ready', 'AwaitingDataLossAcceptance', heldText(context));
  }
  if (led.size < cluster.spec.shards || tooFew.length > 0) {
    if (cluster.spec.paused && !found.complete) return finding('Ready', 'Paused');
    if (isCreating(context)) return finding('Ready', 'Creating', progressText(context, led));
    return finding('Ready', 'ShardsUnavailable', unavailableText(context, judged));
  }
  if (found.roll.kind === 'ask' && !cluster.spec.paused) {
    return finding('Ready', 'AwaitingDataLossAcceptance', askText(context));
  }
  const rolling = found.roll.kind !== 'done' && found.roll.outdated.length > 0;
  if (!found.complete || rolling) {
    if (cluster.spec.paused) return finding('Ready', 'Paused');
    return rolling
      ? finding('Ready', 'ReplacingNodes', rollText(context))
      : finding('Ready', 'Creating');
  }
  const changing = changingText(context);
  if (changing !== undefined) {
    return cluster.spec.paused
      ? finding('Ready', 'Paused')
      : finding('Ready', 'ChangingCopies', changing);
  }
  return finding('Ready', 'Ready');
}

function judgeAvailable(context: Context, judged: Judged): Finding {
  const { led, tooFew } = judged;
  const { shards } = context.cluster.spec;
  if (led.size === shards && tooFew.length === 0) return finding('Available', 'ShardsLed');
  if (isCreating(context)) return finding('Available', 'Creating', progressText(context, led));
  const text = unavailableText(context, judged);
  return led.size < shards
    ? finding('Available', 'ShardsWithoutLeader', text)
    : finding('Available', 'NotEnoughInSync', text);
}

function judgeInSync({ cluster }: Context, { unwhole }: Judged): Finding {
  if (unwhole.length === 0) return finding('InSync', 'AllInSync');
  const { replicationFactor } = cluster.spec;
  const text = `Shards ${rangesText(unwhole)} have not all of their ${replicationFactor} copies in sync`;
  return finding('InSync', 'ReplicasOutOfSync', text);
}

function judgeBalanced({ seen }: Context): Finding {
  const contents = [...seen.shards.values()].flatMap(({ content }) => content ?? []);
  const uneven = unevenness(
    contents.map(({ assignment }) => assignment),
    seen.nodes,
  );
  const misplaced = contents.filter(
    ({ leader, assignment }) => leader !== undefined && leader.node !== assignment[0],
  );
  if (uneven <= 1 && misplaced.length === 0) return finding('Balanced', 'Balanced');
  return finding(
    'Balanced',
    'Uneven',
    misplaced.length > 0
      ? `${misplaced.length} shards are led by another node than the first of their assignment`
      : `Some nodes are assigned ${uneven} shards more than others`,
  );
}

function judgeProgressing(context: Context, { led, unwhole }: Judged): Finding {
  const { found, cluster, resolved, seen } = context;
  if (cluster.spec.paused) return finding('Progressing', 'Paused');
  if (
    resolved.problems.length > 0 ||
    [found.foreign, found.forbidden, found.rejected].some((names) => names.length > 0)
  ) {
    return finding('Progressing', 'Blocked');
  }
  if (found.leaving.length > 0) {
    return finding(
      'Progressing',
      'AwaitingDeletion',
      `Waiting until gone: ${namesText(found.leaving)}`,
    );
  }
  if (found.held.size > 0) {
    return finding('Progressing', 'AwaitingDataLossAcceptance', heldText(context));
  }
  if (found.roll.kind === 'ask') {
    return finding('Progressing', 'AwaitingDataLossAcceptance', askText(context));
  }
  if (found.roll.kind !== 'done' && found.roll.outdated.length > 0) {
    return finding('Progressing', 'ReplacingNodes', rollText(context));
  }
  if (found.lost.size > 0 || found.withoutLease.size > 0) {
    const shards = [...found.lost, ...found.withoutLease];
    return finding(
      'Progressing',
      'RestoringShards',
      `Shards ${rangesText(shards)} are being restored`,
    );
  }
  const starting = seen.nodes.filter(({ pod }) => !isReady(pod));
  if (starting.length > 0 || led.size < cluster.spec.shards || !found.complete) {
    return finding(
      'Progressing',
      isCreating(context) || !found.complete ? 'Creating' : 'StartingNodes',
      progressText(context, led),
    );
  }
  const changing = changingText(context);
  if (changing !== undefined) return finding('Progressing', 'ChangingCopies', changing);
  if (unwhole.length > 0) {
    return finding(
      'Progressing',
      'CatchingUp',
      `Copies of shards ${rangesText(unwhole)} are catching up`,
    );
  }
  return finding('Progressing', 'Stable');
}

function judgeDegraded(context: Context, { lastFailovers }: Judged): Finding {
  const { found, seen } = context;
  const faults: [reason: Parameters<typeof degradedFinding>[0], text: string][] = [];
  if (found.foreign.length > 0 || found.forbidden.length > 0) {
    faults.push([found.foreign.length > 0 ? 'ForeignObject' : 'Forbidden', faultText(context)]);
  }
  if (found.held.size > 0) faults.push(['DataLossHeld', heldText(context)]);
  if (found.withoutLease.size > 0) faults.push(['LeasesLost', leasesText(context)]);
  if (seen.unreadable.length > 0) faults.push(['LeasesUnreadable', namesText(seen.unreadable)]);
  const unhealthy = unhealthyText(context);
  if (unhealthy !== undefined) faults.push(['NodesUnhealthy', unhealthy]);
  const reset = resetText(context, lastFailovers);
  if (reset !== undefined) faults.push(['DataReset', reset]);
  if (found.failures.length > 0) faults.push(['ApiErrors', namesText(found.failures)]);
  const first = faults[0];
  if (first === undefined) return finding('Degraded', 'NoFault');
  return degradedFinding(first[0], faults.map(([, text]) => text).join('. '));
}

function degradedFinding(
  reason: Exclude<Parameters<typeof finding<'Degraded'>>[1], 'NoFault'>,
  text: string,
): Finding {
  return finding('Degraded', reason, text);
}

function judgeConfiguration(context: Context): Finding {
  const { resolved, found, acceptance } = context;
  if (resolved.problems.length > 0) {
    return finding('ConfigurationValid', 'Invalid', problemText(context));
  }
  if (found.rejected.length > 0) {
    return finding('ConfigurationValid', 'Rejected', problemText(context));
  }
  const problem = acceptance.problem ?? staleAcceptance(context);
  if (problem !== undefined) return finding('ConfigurationValid', 'AnnotationInvalid', problem);
  const [warning] = resolved.warnings;
  if (warning !== undefined) {
    const messages = resolved.warnings.map(({ message }) => message);
    return finding('ConfigurationValid', warning.reason, messages.join('. '));
  }
  return finding('ConfigurationValid', 'Valid');
}

function staleAcceptance({ acceptance, found }: Context): string | undefined {
  const hash = found.template?.hash;
  if (acceptance.templateHash === undefined || hash === undefined) return undefined;
  if (acceptance.templateHash === hash) return undefined;
  return (
    `annotation ${annotations.acceptDataLoss} names template ${acceptance.templateHash}, and the spec ` +
    `makes template ${hash}: look at the change once more, then write that`
  );
}

/** It has never been available yet. */
function isCreating({ cluster }: Context): boolean {
  const before = cluster.status?.conditions?.find(({ type }) => type === 'Available');
  return before === undefined || before.reason === 'Creating';
}

function problemText({ resolved, found }: Context): string {
  return [...resolved.problems, ...found.rejected].join('; ');
}

function faultText({ found }: Context): string {
  const { foreign, forbidden } = found;
  const texts: string[] = [];
  if (foreign.length > 0) {
    texts.push(
      `${namesText(foreign)} belongs to somebody else and is left alone: delete or rename it, or ` +
        'make the cluster under another name',
    );
  }
  if (forbidden.length > 0) texts.push(namesText(forbidden));
  return texts.join('. ');
}

function heldText(context: Context): string {
  const shards = rangesText([...context.found.held]);
  return (
    `Every copy of shards ${shards} is gone. To start them again empty: ` +
    acceptCommand(context, shards)
  );
}

function acceptCommand({ cluster }: Context, value: string): string {
  const { namespace, name } = cluster.metadata;
  return `kubectl -n ${namespace} annotate rdb ${name} ${annotations.acceptDataLoss}=${value}`;
}

function askText(context: Context): string {
  const { found } = context;
  const outdated = found.roll.kind === 'done' ? [] : found.roll.outdated;
  return (
    `${namesText(outdated)} must be replaced to carry out the spec, and with one copy a node that is ` +
    `replaced loses its data. To go on: ${acceptCommand(context, found.template?.hash ?? '')}`
  );
}

function rollText({ found }: Context): string {
  const { roll } = found;
  const outdated = roll.kind === 'done' ? [] : roll.outdated;
  const unwhole = roll.kind === 'wait' ? roll.unwhole : [];
  const waits =
    unwhole.length === 0
      ? ''
      : `; first all copies of shards ${rangesText(unwhole)} must be in sync`;
  return `Still to be replaced: ${namesText(outdated)}${waits}`;
}

/** What of the number of copies is not carried out yet. */
function changingText({ seen, cluster, resolved, found }: Context): string | undefined {
  if (!found.complete) return undefined;
  const { replicationFactor, minInSyncReplicas = Math.ceil(replicationFactor / 2) } = cluster.spec;
  const others = [...seen.shards].flatMap(([shard, { content }]) =>
    content !== undefined && content.assignment.length !== replicationFactor ? [shard] : [],
  );
  if (others.length > 0) {
    return `Shards ${rangesText(others)} have not ${replicationFactor} copies assigned yet`;
  }
  if (resolved.minInSyncReplicas === minInSyncReplicas) return undefined;
  return (
    `minInSyncReplicas stays ${resolved.minInSyncReplicas} until every shard has ` +
    `${minInSyncReplicas} copies in sync`
  );
}

function unavailableText(context: Context, { led, tooFew }: Judged): string {
  if (led.size < context.cluster.spec.shards) return unledText(context, led);
  const { minInSyncReplicas } = context.resolved;
  return (
    `Shards ${rangesText(tooFew)} take no writes: fewer than ${minInSyncReplicas} of their copies ` +
    `are in sync${unreadyText(context)}`
  );
}

function unreadyText({ seen }: Context): string {
  const nodes = seen.nodes.filter(({ pod }) => !isReady(pod)).map(({ name }) => name);
  return nodes.length === 0 ? '' : `; not ready: ${namesText(nodes)}`;
}

function unledText(context: Context, led: ReadonlySet<number>): string {
  const { cluster } = context;
  const unled = Array.from({ length: cluster.spec.shards }, (_, shard) => shard).filter(
    (shard) => !led.has(shard),
  );
  return `Shards ${rangesText(unled)} have no leader that serves${unreadyText(context)}`;
}

function progressText({ cluster, seen }: Context, led: ReadonlySet<number>): string {
  const ready = seen.nodes.filter(({ pod }) => isReady(pod)).length;
  const { nodes, shards } = cluster.spec;
  return `${ready} of ${nodes} nodes are ready, ${led.size} of ${shards} shards are led`;
}

function leasesText({ found }: Context): string {
  const waits = found.silent.size === 0 ? '' : `, waiting for ${namesText([...found.silent])}`;
  return `The Leases of shards ${rangesText([...found.withoutLease])} were deleted${waits}`;
}

function unhealthyText({ seen, found, nowMs }: Context): string | undefined {
  const faults = seen.nodes.flatMap(({ name, pod }) => {
    const { fault, againInMs } = podFault(pod, nowMs);
    lookAgain(found, againInMs);
    return fault === undefined ? [] : [`${name}: ${fault}`];
  });
  return faults.length === 0 ? undefined : namesText(faults);
}

function resetText(
  { found, nowMs }: Context,
  lastFailovers: readonly Failover[],
): string | undefined {
  const recent = lastFailovers.filter(
    ({ cause, lastTime }) => isLoss(cause) && nowMs - Date.parse(lastTime) < limits.resetToldMs,
  );
  for (const { lastTime } of recent) {
    lookAgain(found, Date.parse(lastTime) + limits.resetToldMs - nowMs);
  }
  const texts = recent.map(
    ({ node, cause, shards, lastTime }) =>
      `${shards} shards of ${node} were started again empty at ${timeText(Date.parse(lastTime))} (${cause})`,
  );
  return texts.length === 0 ? undefined : namesText(texts);
}
