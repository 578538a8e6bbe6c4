/** Commands about the cluster: status, shards, slots, lead. */
import { type Failover, groupFailovers } from '@r-db/proto/failovers.ts';
import { FAILOVERS_SHOWN_MAX } from '@r-db/proto/limits.ts';
import { keyToShard, keyToSlot } from '@r-db/proto/slots.ts';
import type { NodeStats, Topology } from '../mod.ts';
import { toInteger, UsageError } from './arguments.ts';
import type { ClusterCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { isWhole, keysOf, lagOf, type NodeStatus, nodeStatuses, replicasOf } from './figures.ts';
import { formatBytes, formatDuration, type Output } from './output.ts';

export const status: ClusterCommand = {
  usage: '',
  summary: 'show nodes, shards, what they hold, and the last failovers',
  options: {},
  takes: { min: 0, max: 0 },
  run: async (client, { output, timeoutMs }) => {
    const topology = client.topology();
    const nodes = await nodeStatuses(client, topology, timeoutMs);
    const led = topology.shards.filter(({ leader }) => leader !== undefined).length;
    if (output.json) output.value(statusJson(topology, nodes, led));
    else statusText(output, topology, nodes, led);
    const healthy =
      led === topology.shards.length && nodes.every(({ stats }) => stats !== undefined);
    return healthy ? EXIT.ok : EXIT.failed;
  },
};

export const shards: ClusterCommand = {
  usage: '',
  summary: 'list shards: slots, leader, followers, in-sync set, epoch, generation, lag',
  options: {},
  takes: { min: 0, max: 0 },
  run: async (client, { output, timeoutMs }) => {
    const topology = client.topology();
    const nodes = await nodeStatuses(client, topology, timeoutMs);
    if (output.json) {
      const rows = topology.shards.map((shard) => ({
        ...shard,
        leader: shard.leader ?? null,
        replicas: replicasOf(shard, nodes).map(({ sequence = null, lag = null, ...rest }) => ({
          ...rest,
          sequence,
          lag,
        })),
      }));
      output.value(rows);
      return EXIT.ok;
    }
    output.table(
      ['SHARD', 'SLOTS', 'LEADER', 'FOLLOWERS', 'IN SYNC', 'EPOCH', 'GENERATION', 'LAG'],
      topology.shards.map((shard) => [
        String(shard.shard),
        `${shard.firstSlot}-${shard.lastSlot}`,
        shard.leader ?? '-',
        shard.followers.join(',') || '-',
        shard.inSync.join(',') || '-',
        String(shard.epoch),
        String(shard.generation),
        String(lagOf(shard, nodes) ?? '-'),
      ]),
      [0, 5, 6, 7],
    );
    return EXIT.ok;
  },
};

export const slots: ClusterCommand = {
  usage: 'KEY...',
  summary: 'tell the slot, shard and leader of keys',
  options: {},
  takes: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async (client, { args, output }) => {
    const topology = client.topology();
    const rows = args.positionals.map((key) => {
      const shard = keyToShard(key, topology.shards.length);
      const leader = topology.shards[shard]?.leader;
      const node = topology.nodes.find(({ name }) => name === leader);
      return { key, slot: keyToSlot(key), shard, leader, grpc: node?.grpc, resp: node?.resp };
    });
    if (output.json) {
      output.value(
        rows.map(({ leader = null, grpc = null, resp = null, ...rest }) => ({
          ...rest,
          leader,
          grpc,
          resp,
        })),
      );
      return EXIT.ok;
    }
    output.table(
      ['KEY', 'SLOT', 'SHARD', 'LEADER', 'GRPC', 'RESP'],
      rows.map(({ key, slot, shard, leader, grpc, resp }) => [
        key,
        String(slot),
        String(shard),
        leader ?? '-',
        grpc ?? '-',
        resp ?? '-',
      ]),
      [1, 2],
    );
    return EXIT.ok;
  },
};

export const lead: ClusterCommand = {
  usage: 'SHARD --on NODE',
  summary: 'hand the leadership of a shard to another node that is in sync',
  options: { on: { value: 'NODE', help: 'name of the node that shall lead it, such as demo-1' } },
  takes: { min: 1, max: 1 },
  run: async (client, { args, output, timeoutMs, signal }) => {
    const topology = client.topology();
    const to = args.text('on');
    const range = { min: 0, max: topology.shards.length - 1 };
    const shard = toInteger('SHARD', args.positionals[0], range) ?? 0;
    if (to === undefined) throw new UsageError('--on must name the node that shall lead the shard');
    const names = topology.nodes.map(({ name }) => name);
    if (!names.includes(to))
      throw new UsageError(`--on must be one of ${names.join(', ')}, and is "${to}"`);
    const from = topology.shards[shard]?.leader;
    const begunMs = performance.now();
    const epoch = await client.transferLeadership(shard, to, { timeoutMs, signal });
    const milliseconds = Math.round(performance.now() - begunMs);
    if (output.json) output.value({ shard, from: from ?? null, to, epoch, milliseconds });
    else output.line(`${to} leads shard ${shard} in epoch ${epoch} (${milliseconds} ms)`);
    return EXIT.ok;
  },
};

function statusJson(topology: Topology, nodes: readonly NodeStatus[], led: number): unknown {
  const { cluster, clusterId, version } = topology;
  return {
    cluster,
    clusterId,
    version,
    shards: {
      total: topology.shards.length,
      led,
      inSync: topology.shards.filter(isWhole).length,
    },
    lastFailovers: lastFailovers(topology).map((failover) => ({
      ...failover,
      shards: failover.shards.length,
    })),
    nodes: nodes.map(({ node, leads, replicas, inSync, stats, problem }) => ({
      name: node.name,
      grpc: node.grpc ?? null,
      resp: node.resp ?? null,
      zone: node.zone,
      leads,
      replicas,
      inSync,
      up: stats !== undefined,
      problem: problem ?? null,
      ...(stats && {
        version: stats.version,
        incarnation: stats.incarnation,
        uptimeMs: Number(stats.uptimeMs),
        keys: Number(keysOf(stats)),
        connections: stats.connections,
        memory: {
          usedBytes: Number(stats.memory?.used ?? 0n),
          budgetBytes: Number(stats.memory?.budget ?? 0n),
        },
      }),
    })),
  };
}

function statusText(
  output: Output,
  topology: Topology,
  nodes: readonly NodeStatus[],
  led: number,
): void {
  const up = nodes.filter(({ stats }) => stats !== undefined).length;
  const total = topology.shards.length;
  const colour = (count: number, of: number): string =>
    output.style(count === of ? 'green' : 'red', `${count}/${of}`);
  output.line(`${output.style('bold', topology.cluster)}  r_db ${topology.version}`);
  const whole = topology.shards.filter(isWhole).length;
  output.line(
    `nodes ${colour(up, nodes.length)} up, shards ${colour(led, total)} with a leader, ${colour(whole, total)} with all copies in sync`,
  );
  output.line('');
  output.table(
    ['NODE', 'GRPC', 'RESP', 'ZONE', 'LEADS', 'IN SYNC', 'KEYS', 'MEMORY', 'UP'],
    nodes.map(({ node, leads, replicas, inSync, stats, problem }) => [
      node.name,
      node.grpc ?? '-',
      node.resp ?? '-',
      node.zone || '-',
      String(leads),
      `${inSync}/${replicas}`,
      stats === undefined ? '-' : String(keysOf(stats)),
      stats === undefined ? '-' : memory(stats),
      stats === undefined ? `no: ${problem}` : formatDuration(Number(stats.uptimeMs)),
    ]),
    [4, 5, 6],
  );
  const leaderless = topology.shards
    .filter(({ leader }) => leader === undefined)
    .map(({ shard }) => shard);
  if (leaderless.length > 0) {
    output.line('');
    output.line(output.style('red', `without a leader: shards ${leaderless.join(', ')}`));
  }
  const failovers = lastFailovers(topology);
  if (failovers.length === 0) return;
  output.line('');
  output.table(
    ['LAST FAILOVERS', 'CAUSE', 'SHARDS', 'AT', 'DETECTION', 'PROMOTION'],
    failovers.map((failover) => [
      failover.node,
      failover.cause,
      String(failover.shards.length),
      failover.lastTime,
      `${failover.detectionMilliseconds} ms`,
      `${failover.promotionMilliseconds} ms`,
    ]),
    [2, 4, 5],
  );
}

/** Newest first. Each shard tells its last one: those that all shards had others after are not there any more. */
function lastFailovers({ shards }: Topology): Failover[] {
  const changes = shards.flatMap(({ shard, lastFailover }) =>
    lastFailover === undefined ? [] : [{ ...lastFailover, shard }],
  );
  return groupFailovers(changes)
    .sort((a, b) => Date.parse(b.lastTime) - Date.parse(a.lastTime))
    .slice(0, FAILOVERS_SHOWN_MAX);
}

function memory({ memory: figures }: NodeStats): string {
  const used = Number(figures?.used ?? 0n);
  const budget = Number(figures?.budget ?? 0n);
  return `${formatBytes(used)} of ${formatBytes(budget)}`;
}
